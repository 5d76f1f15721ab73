// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/tuned_profile.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "advisor/knobs/setting_lines.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kMostNames = 16, kLongestName = 128;

std::string_view bare(std::string_view text) {
  text = trimmed(text);
  while (text.ends_with('\r')) text = trimmed(text.substr(0, text.size() - 1));
  return text;
}

bool is_no(std::string_view value) {
  std::string word(value);
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word == "0" || word == "no" || word == "false" || word == "off" || word == "n";
}

struct Option {
  std::string_view key, value;
};
/// "key = value  # remark"; the key is empty for anything else.
Option option_of(std::string_view line) {
  std::size_t equals = line.find('=');
  if (line.empty() || line[0] == '#' || line[0] == ';' || equals == line.npos) return {};
  std::string_view value = line.substr(equals + 1);
  for (std::size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '#' && (value[i - 1] == ' ' || value[i - 1] == '\t')) value = value.substr(0, i);
  }
  return {bare(line.substr(0, equals)), bare(value)};
}

struct Section {
  std::string name, type;
  bool off = false, replaces = false;
  std::vector<SettingLine> lines;

  bool is_sysctl() const { return (type.empty() ? name : type) == "sysctl" && !off; }
  void take(const Option& option, std::string_view file, std::uint32_t number) {
    if (option.key == "type") type = option.value;
    if (option.key == "enabled" && is_no(option.value)) off = true;
    if (option.key == "replace" && !is_no(option.value)) replaces = true;
    if (option.key.ends_with("_regex")) off = true;  // for some machines: nobody here knows whether for this one
    std::string_view knob = knob_of_key(option.key);
    if (knob.empty()) return;
    std::erase_if(lines, [&](const SettingLine& line) { return line.knob == knob; });
    lines.push_back({.knob = std::string(knob),
                     .value = setting_value(option.value),
                     .file = std::string(file),
                     .line = number,
                     .writer = SettingWriter::tuned});
  }
};

}  // namespace

TunedProfile parse_tuned_profile(std::string_view text, std::string_view file) {
  TunedProfile profile;
  Section section;
  auto close = [&] {
    if (section.is_sysctl()) {
      profile.replaces = profile.replaces || section.replaces;
      std::ranges::move(section.lines, std::back_inserter(profile.lines));
    }
    section = {};
  };
  std::uint32_t number = 0;
  while (auto line = next_line(text)) {
    ++number;
    std::string_view one = bare(line->substr(0, kLongestLine));
    if (one.starts_with('[')) {
      close();
      section.name = one.substr(1, std::min(one.find(']'), one.size()) - 1);
      continue;
    }
    Option option = option_of(one);
    if (option.key.empty()) continue;
    if (section.name == "main" && option.key == "include") profile.includes = tuned_profile_names(option.value);
    section.take(option, file, number);
  }
  close();
  return profile;
}

std::vector<std::string> tuned_profile_names(std::string_view text) {
  std::vector<std::string> names;
  text = text.substr(0, kLongestLine);
  while (names.size() < kMostNames) {
    std::size_t from = text.find_first_not_of(" \t\r\n,;");
    if (from == text.npos) break;
    std::string_view name = text.substr(from, text.find_first_of(" \t\r\n,;", from) - from);
    text.remove_prefix(from + name.size());
    if (name.starts_with('-')) name.remove_prefix(1);  // "if there is one"
    bool safe = !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
                std::ranges::all_of(
                    name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-'; });
    if (safe) names.emplace_back(name);
  }
  return names;
}

bool tuned_reapplies(std::string_view main_text) {
  bool again = true;
  while (auto line = next_line(main_text)) {
    Option option = option_of(bare(line->substr(0, kLongestLine)));
    if (option.key == "reapply_sysctl") again = !is_no(option.value);
  }
  return again;
}

}  // namespace tcpadvisor
