// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/setting_lines.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kLongestValue = 200, kLongestPattern = 256;

/// Both separators are allowed. If the first one is a dot the two are exchanged: a dot within a part is a slash then.
std::string path_of(std::string_view key) {
  std::string path(key.substr(0, kLongestPattern + 1));
  std::size_t first = path.find_first_of("./");
  if (first != path.npos && path[first] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  return path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

const std::map<std::string, std::size_t, std::less<>>& knob_paths() {
  static const auto paths = [] {
    std::map<std::string, std::size_t, std::less<>> out;
    for (std::size_t i = 0; i < knobs().size(); ++i) out.emplace(path_of(knobs()[i].name), i);
    return out;
  }();
  return paths;
}

/// One character of a part against a class "[a-z]" or "[!a]" that begins at `at`; moves it behind the class. A bracket
/// without an end stands for itself.
bool class_matches(std::string_view pattern, std::size_t& at, char c) {
  std::size_t from = at + 1;
  bool negated = from < pattern.size() && (pattern[from] == '!' || pattern[from] == '^');
  if (negated) ++from;
  std::size_t end = pattern.find(']', std::min(from + 1, pattern.size()));
  if (end == pattern.npos) return pattern[at++] == c;
  bool found = false;
  for (std::size_t i = from; i < end; ++i) {
    if (i + 2 < end && pattern[i + 1] == '-') {
      found = found || (pattern[i] <= c && c <= pattern[i + 2]);
      i += 2;
    } else {
      found = found || pattern[i] == c;
    }
  }
  at = end + 1;
  return found != negated;
}

/// Between two slashes. Goes back to the last star only: work is at most the product of both lengths.
bool part_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0;
  std::optional<std::size_t> star;
  std::size_t star_text = 0;
  while (t < text.size()) {
    std::size_t next = p + 1;
    bool fits = false;
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    if (p < pattern.size()) {
      fits = pattern[p] == '?' || pattern[p] == text[t];
      if (pattern[p] == '[') fits = class_matches(pattern, next = p, text[t]);
    }
    if (fits) {
      p = next;
      ++t;
    } else if (star) {
      p = *star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// What is known of one knob so far.
struct OfKnob {
  std::vector<SettingLine> named, by_pattern;
  std::vector<std::string> patterns;  ///< of by_pattern
  bool has_name = false;              ///< some line names it, if only to keep patterns off
};

void add_named(OfKnob& knob, SettingLine line) {
  std::vector<SettingLine>& lines = knob.named;
  if (!lines.empty() && lines.back().file == line.file) lines.pop_back();
  lines.push_back(std::move(line));
  if (lines.size() > kMostLinesOfKnob) lines.erase(lines.begin());
}

/// A pattern that is said again with the same value stays where it was, and with another one moves to the end: that is
/// how systemd-sysctl keeps them.
void add_pattern(OfKnob& knob, const std::string& pattern, const SettingLine& line) {
  auto forget = [&](std::ptrdiff_t at) {
    knob.patterns.erase(knob.patterns.begin() + at);
    knob.by_pattern.erase(knob.by_pattern.begin() + at);
  };
  auto known = std::ranges::find(knob.patterns, pattern) - knob.patterns.begin();
  if (known < std::ssize(knob.patterns)) {
    if (knob.by_pattern[static_cast<std::size_t>(known)].value == line.value) return;
    forget(known);
  }
  knob.patterns.push_back(pattern);
  knob.by_pattern.push_back(line);
  if (knob.patterns.size() > kMostLinesOfKnob) forget(0);
}

std::string_view without_spaces(std::string_view text) {
  std::size_t from = text.find_first_not_of(" \t\r");
  if (from == text.npos) return {};
  return text.substr(from, text.find_last_not_of(" \t\r") - from + 1);
}

void take_line(std::string_view text, SettingLine line, Patterns patterns, std::vector<OfKnob>& known) {
  text = without_spaces(text);
  if (text.empty() || text.size() > kLongestLine || text[0] == '#' || text[0] == ';') return;
  bool minus = text[0] == '-';
  if (minus) text.remove_prefix(1);
  std::size_t equals = text.find('=');
  if (equals == text.npos && !minus) return;
  std::string path = path_of(without_spaces(text.substr(0, equals)));
  if (equals != text.npos) line.value = setting_value(text.substr(equals + 1));
  if (path.find_first_of("*?[") != path.npos) {
    if (equals == text.npos || patterns == Patterns::unknown || path.size() > kLongestPattern) return;
    for (const auto& [knob_path, at] : knob_paths()) {
      if (!pattern_matches(path, knob_path)) continue;
      line.knob = knobs()[at].name;
      add_pattern(known[at], path, line);
    }
    return;
  }
  auto found = knob_paths().find(path);
  if (found == knob_paths().end()) return;
  OfKnob& knob = known[found->second];
  knob.has_name = true;
  line.knob = knobs()[found->second].name;
  if (equals != text.npos) return add_named(knob, std::move(line));
  knob.named.clear();  // "-key" takes back what files before have said
}

}  // namespace

std::vector<OrderedFile> sysctl_d_order(std::span<const std::vector<std::string>> directories) {
  std::map<std::string, std::size_t> strongest;
  for (std::size_t i = 0; i < directories.size(); ++i) {
    for (const std::string& name : directories[i]) {
      if (name.ends_with(".conf")) strongest.try_emplace(name, i);
    }
  }
  std::vector<OrderedFile> out;
  std::size_t skipped = strongest.size() - std::min(strongest.size(), kMostSettingFiles);
  for (const auto& [name, directory] : strongest) {
    if (skipped > 0) {
      --skipped;
    } else {
      out.push_back({directory, name});
    }
  }
  return out;
}

std::vector<SettingLine> setting_lines(std::span<const SettingText> files, Patterns patterns) {
  std::vector<OfKnob> known(knobs().size());
  for (const SettingText& file : files) {
    std::string_view rest = file.text;
    SettingLine line{.knob = {}, .value = {}, .file = file.file, .line = 0, .writer = file.writer};
    while (auto text = next_line(rest)) {
      ++line.line;
      take_line(*text, line, patterns, known);
    }
  }
  std::vector<SettingLine> out;
  for (OfKnob& knob : known) {
    std::ranges::move(knob.has_name ? knob.named : knob.by_pattern, std::back_inserter(out));
  }
  return out;
}

std::vector<SettingLine> command_line_settings(std::string_view command_line) {
  std::vector<SettingLine> out;
  bool quoted = false;
  for (std::size_t from = 0, at = 0; at <= command_line.size(); ++at) {
    char c = at < command_line.size() ? command_line[at] : ' ';
    if (c == '"') quoted = !quoted;
    bool ends = at == command_line.size() || (!quoted && (c == ' ' || c == '\n' || c == '\t'));
    if (!ends) continue;
    std::string_view word = command_line.substr(from, at - from);
    from = at + 1;
    if (word.starts_with('"')) word.remove_prefix(1);
    std::size_t equals = word.find('=');
    if (equals == word.npos || !(word.starts_with("sysctl.") || word.starts_with("sysctl/"))) continue;
    std::string_view knob = knob_of_key(word.substr(7, equals - 7));
    if (knob.empty()) continue;
    std::erase_if(out, [&](const SettingLine& line) { return line.knob == knob; });
    out.push_back({.knob = std::string(knob),
                   .value = setting_value(word.substr(equals + 1)),
                   .file = "/proc/cmdline",
                   .line = 0,
                   .writer = SettingWriter::command_line});
  }
  return out;
}

std::string_view knob_of_key(std::string_view key) {
  auto found = knob_paths().find(path_of(without_spaces(key)));
  return found == knob_paths().end() ? std::string_view() : knobs()[found->second].name;
}

bool pattern_matches(std::string_view pattern, std::string_view path) {
  if (pattern.size() > kLongestPattern) return false;
  while (true) {
    std::size_t of_pattern = pattern.find('/'), of_path = path.find('/');
    if ((of_pattern == pattern.npos) != (of_path == path.npos)) return false;
    if (!part_matches(pattern.substr(0, of_pattern), path.substr(0, of_path))) return false;
    if (of_path == path.npos) return true;
    pattern.remove_prefix(of_pattern + 1);
    path.remove_prefix(of_path + 1);
  }
}

std::string setting_value(std::string_view text) {
  text = without_spaces(text.substr(0, kLongestLine));
  for (char quote : {'"', '\''}) {
    if (text.starts_with(quote)) text.remove_prefix(1);
    if (text.ends_with(quote)) text.remove_suffix(1);
  }
  std::string value(text);
  std::ranges::replace(value, '\t', ' ');
  value = printable(value);
  if (value.size() > kLongestValue) value = printable(std::string_view(value).substr(0, kLongestValue)) + "…";
  return value;
}

}  // namespace tcpadvisor
