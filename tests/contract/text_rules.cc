// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/text_rules.h"

#include <algorithm>
#include <regex>
#include <sstream>

namespace tcpadvisor::contract {
namespace {

std::vector<std::string> lines_that_match(std::string_view path, std::string_view text, const std::regex& pattern) {
  std::vector<std::string> found;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (std::regex_search(line, pattern))
      found.push_back(std::string(path) + ":" + std::to_string(number) + ": " + line);
  }
  return found;
}

std::vector<std::string> first_groups(std::string_view text, const std::regex& pattern) {
  std::vector<std::string> found;
  const std::string copy(text);
  for (std::sregex_iterator it(copy.begin(), copy.end(), pattern), end; it != end; ++it) found.push_back((*it)[1]);
  return found;
}

}  // namespace

std::string licence_fault(std::string_view path, std::string_view text) {
  static const std::regex line(
      "SPDX-License-"
      "Identifier: ([^\n*]*[^\n* ])");
  const std::vector<std::string> licences = first_groups(text, line);
  const std::string wanted =
      path.starts_with("bpf/") && !path.ends_with(".txt") ? "GPL-2.0-only OR BSD-2-Clause" : "Apache-2.0";
  if (licences.empty()) return "no SPDX line";
  if (licences.size() > 1) return "more than one SPDX line";
  if (licences.front() != wanted) return "the SPDX line says " + licences.front() + ", not " + wanted;
  const auto place = text.find("SPDX-License-");
  if (std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(place), '\n') > 2)
    return "the SPDX line is not at the top";
  return "";
}

std::vector<std::string> machine_paths(std::string_view path, std::string_view text) {
  static const std::regex folder("(^|[^A-Za-z0-9_.}])/(home|work|Users)/");
  return lines_that_match(path, text, folder);
}

std::vector<std::string> clock_reads(std::string_view path, std::string_view text) {
  static const std::regex clock("_clock::now|\\b(clock_gettime|gettimeofday)\\b|\\btime\\((nullptr|NULL|0)\\)");
  return lines_that_match(path, text, clock);
}

std::vector<std::string> throwing_forms(std::string_view path, std::string_view text) {
  // Window::at() and Stage::at() are ours and throw nothing.
  static const std::regex form(
      "std::filesystem|[^.\\w]fs::|\\bstd::sto[a-z]+\\(|\\bstd::j?thread "
      "[a-z_]+[({]|\\bstd::j?thread[({]|json::parse\\("
      "|\\bstd::async\\(|(^|[^\\w/\"])throw [^;]|(^|[^\\w.>])(?!window|stage_?\\b)[a-z_]+(\\.|->)at\\(");
  std::vector<std::string> found = lines_that_match(path, text, form);
  std::erase_if(found, [](const std::string& line) { return std::regex_search(line, std::regex(": *///?")); });
  return found;
}

std::vector<std::string> commands_of(std::string_view script) {
  static const std::regex function("(?:^|\n)cmd_([a-z]+)\\(\\)");
  return first_groups(script, function);
}

std::vector<std::string> commands_named_in(std::string_view text) {
  static const std::regex command("\\./dev ([a-z]+)");
  return first_groups(text, command);
}

std::vector<std::string> paths_named_in(std::string_view text) {
  static const std::regex path("`((?:advisor|agent|bpf|cmake|docs|tests)/[a-z0-9_./-]*)`");
  return first_groups(text, path);
}

std::vector<std::string> links_in(std::string_view text) {
  static const std::regex link("\\]\\(([^):#]+)(?:#[^)]*)?\\)");
  return first_groups(text, link);
}

}  // namespace tcpadvisor::contract
