// SPDX-License-Identifier: Apache-2.0
// The checks of this folder on the repository itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/contract/include_table.h"
#include "tests/contract/text_rules.h"

namespace tcpadvisor::contract::house_test {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kRoot = TCPADVISOR_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// All files that a reader of the repository sees, as "path from the root" -> text. Not what was built, not git's own.
const std::map<std::string, std::string>& repository() {
  static const std::map<std::string, std::string> files = [] {
    std::map<std::string, std::string> all;
    for (auto it = fs::recursive_directory_iterator(kRoot); it != fs::recursive_directory_iterator(); ++it) {
      const std::string name = it->path().filename();
      const bool hidden_folder = it->is_directory() && name.starts_with('.') && name != ".ci";
      if (hidden_folder || (it.depth() == 0 && (name == "build" || name == ".git"))) {
        it.disable_recursion_pending();
        continue;
      }
      if (it->is_regular_file()) all.emplace(it->path().lexically_relative(kRoot), read(it->path()));
    }
    return all;
  }();
  return files;
}

bool is_code(std::string_view path) {
  return path.ends_with(".h") || path.ends_with(".cc") || path.ends_with(".c");
}

bool carries_licence(std::string_view path) {
  static const std::set<std::string_view> names{"dev", ".ci/run", ".clang-tidy"};
  const bool script = path.ends_with(".cmake") || path.ends_with("CMakeLists.txt") || path.ends_with(".sh") ||
                      path.ends_with(".awk") || path.ends_with(".py");
  return is_code(path) || script || names.contains(path);
}

TEST(House, has_the_files_that_these_checks_are_about) {
  for (const char* path :
       {"dev", "README.md", "CMakeLists.txt", "advisor/base/result.h", "agent/kernel/tracer.h", "bpf/abi.h"}) {
    EXPECT_TRUE(repository().contains(path)) << path;
  }
}

TEST(House, includes_follow_the_table) {
  std::vector<std::string> found;
  for (const auto& [path, text] : repository()) {
    if (!is_code(path)) continue;
    const auto more = forbidden_includes(path, text);
    found.insert(found.end(), more.begin(), more.end());
  }
  EXPECT_THAT(found, IsEmpty());
}

TEST(House, every_source_has_one_licence_line) {
  for (const auto& [path, text] : repository()) {
    if (!carries_licence(path)) continue;
    EXPECT_EQ(licence_fault(path, text), "") << path;
  }
}

TEST(House, names_no_folder_of_somebodys_machine) {
  for (const auto& [path, text] : repository()) {
    // Fixtures are copies of what a kernel said; it may have said anything.
    if (path.starts_with("tests/fixtures/")) continue;
    EXPECT_THAT(machine_paths(path, text), IsEmpty());
  }
}

/// What may throw, and why nobody is hurt: the exception is caught in the same file, or the key was made there.
const std::map<std::string, std::string>& may_throw() {
  static const std::map<std::string, std::string> files{
      {"advisor/base/toml.cc", "the library's own, caught in parse_toml()"},
      {"advisor/report/json_read.h", "parse() is told not to"},
      {"advisor/evidence/sample_json.cc", "Bad, caught in sample_from_json()"},
      {"agent/cli/parsed_option.h", "CLI11's own, caught in parse_options()"},
      {"agent/collect/snapshot.cc", "deferred: no thread is started"},
      {"agent/port/load/reader.cc", "the threads of one command at its start: main() tells"},
      {"agent/port/port.cc", "a caller that is draining is in the table"},
      {"agent/port/publish.cc", "each step through the directory has an error_code"},
      {"agent/port/script/judge.cc", "names were checked when the script was parsed"},
      {"agent/port/script/run_peers.cc", "names were checked when the script was parsed"},
  };
  return files;
}

TEST(House, nothing_throws_outside_the_listed_files) {
  std::set<std::string> used;
  for (const auto& [path, text] : repository()) {
    if (!is_code(path) || (!path.starts_with("advisor/") && !path.starts_with("agent/"))) continue;
    const auto found = throwing_forms(path, text);
    if (!may_throw().contains(path)) {
      EXPECT_THAT(found, IsEmpty()) << "use the form that returns an error, or say in may_throw() why it cannot hurt";
    } else if (!found.empty()) {
      used.insert(path);
    }
  }
  for (const auto& [path, why] : may_throw()) EXPECT_THAT(used, Contains(path)) << "throws no more: " << why;
}

TEST(House, pure_rooms_read_no_clock) {
  for (const auto& [path, text] : repository()) {
    if (!path.starts_with("advisor/")) continue;
    EXPECT_THAT(clock_reads(path, text), IsEmpty());
  }
}

TEST(DeveloperEntry, help_lists_every_command) {
  const std::vector<std::string> commands = commands_of(repository().at("dev"));
  ASSERT_THAT(commands, testing::SizeIs(testing::Ge(10U)));
  const auto close = [](FILE* pipe) { pclose(pipe); };
  const std::string command = "'" + (kRoot / "dev").string() + "' --help";
  const std::unique_ptr<FILE, decltype(close)> pipe(popen(command.c_str(), "r"), close);
  ASSERT_TRUE(pipe);
  std::string help;
  for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get())) help.push_back(static_cast<char>(c));
  for (const std::string& name : commands) EXPECT_THAT(help, HasSubstr("\n  " + name + " "));
}

TEST(DeveloperEntry, has_every_command_that_the_documents_name) {
  const std::vector<std::string> commands = commands_of(repository().at("dev"));
  for (const auto& [path, text] : repository()) {
    if (!path.ends_with(".md") && !path.ends_with(".cmake")) continue;
    for (const std::string& name : commands_named_in(text)) EXPECT_THAT(commands, Contains(name)) << path;
  }
}

TEST(DeveloperEntry, installs_every_package_that_the_build_may_miss) {
  static const std::regex need(R"(need_(?:cmake_package\(|pkgconfig\(|program\(|failed\()[^)]* ([a-z0-9+.-]+)\))");
  const std::string& dev = repository().at("dev");
  const std::string& cmake = repository().at("cmake/packages.cmake");
  int packages = 0;
  for (std::sregex_iterator it(cmake.begin(), cmake.end(), need), end; it != end; ++it) {
    if ((*it)[1] == "package") continue;  // the parameter in the functions' own definitions
    EXPECT_THAT(dev, testing::ContainsRegex("[( ]" + (*it)[1].str() + "[) \n]"));
    ++packages;
  }
  EXPECT_GE(packages, 8);
}

}  // namespace
}  // namespace tcpadvisor::contract::house_test
