// SPDX-License-Identifier: Apache-2.0
// Which lines of which files give our settings their values: sysctl.d(5), and the kernel's command line. Text in, lines
// out; whoever reads the files does so in the order that is made here. Work is linear in the text. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// A file's text, and what to call it.
struct SettingText {
  std::string file, text;
  SettingWriter writer = SettingWriter::sysctl_d;
};

/// A file of one of several directories; the number is that of the directory.
struct OrderedFile {
  std::size_t directory = 0;
  std::string name;
  auto operator<=>(const OrderedFile&) const = default;
};
/// The names in the directories, the first of them the strongest, in the order of applying: one list sorted by name. A
/// name in a stronger directory hides the same name in the others, also if it is a link to /dev/null. At most
/// kMostSettingFiles, the last ones.
inline constexpr std::size_t kMostSettingFiles = 512;
std::vector<OrderedFile> sysctl_d_order(std::span<const std::vector<std::string>> directories);

/// Lines about knobs(), of files that one program applies together and in this order: systemd-sysctl, `sysctl
/// --system`. Of one knob the last line is the one that acts. A pattern acts on knobs that no line names. Of each knob
/// the last kMostLinesOfKnob, one a file.
inline constexpr std::size_t kMostLinesOfKnob = 8;
enum class Patterns : std::uint8_t { known, unknown };  ///< tuned reads the same files, and knows no patterns
std::vector<SettingLine> setting_lines(std::span<const SettingText> files, Patterns patterns = Patterns::known);

/// What follows in a line of such a file is not read.
inline constexpr std::size_t kLongestLine = 4096;

/// "… sysctl.net.core.somaxconn=1024 …"
std::vector<SettingLine> command_line_settings(std::string_view command_line);

/// "net.ipv4.tcp_rmem", "net/ipv4/tcp_rmem" -> the knob's full name, empty if it is none of ours.
std::string_view knob_of_key(std::string_view key);
/// glob(7), `*` and `?` stop at a slash. Both with slashes between their parts.
bool pattern_matches(std::string_view pattern, std::string_view path);
/// As it is shown and compared: printable, at most 200 characters, without quotes around it.
std::string setting_value(std::string_view text);

}  // namespace tcpadvisor
