// SPDX-License-Identifier: Apache-2.0
// Lines of attributed text and the columns they are made of. Pure: no terminal in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::watch {

/// What a piece of text means; the terminal decides how that looks.
enum class Attr : std::uint8_t { normal, dim, label, title, good, warning, critical, key };

struct Span {
  std::string text;
  Attr attr = Attr::normal;
};

struct Line {
  std::vector<Span> spans;
  bool selected = false;

  Line() = default;
  explicit Line(std::string text, Attr attr = Attr::normal) { add(std::move(text), attr); }
  Line& add(std::string text, Attr attr = Attr::normal);
  std::size_t width() const;  ///< terminal columns
  std::string text() const;   ///< without attributes and without trailing blanks
};

/// The few characters that a terminal without UTF-8 cannot show, and what replaces them there.
struct Glyphs {
  std::string_view arrow, ellipsis, full, empty, mark, dot, times, folded, unfolded;
  bool utf8;
};
const Glyphs& glyphs(bool utf8);

/// As in advisor/base/columns.h, with the ellipsis of this terminal.
std::string cut(std::string_view text, std::size_t width, const Glyphs& g);
std::string cut_middle(std::string_view text, std::size_t width, const Glyphs& g);
/// "nginx[812]+3": it is the name that is cut, never the pid, as long as that has room.
std::string cut_owner(std::string_view text, std::size_t width, const Glyphs& g);
/// Exactly `width` columns, text at the left or at the right.
std::string left(std::string_view text, std::size_t width, const Glyphs& g);
std::string right(std::string_view text, std::size_t width, const Glyphs& g);
/// The line, cut at `width` columns. On a terminal without UTF-8 every other character becomes '?'.
Line fit(Line line, std::size_t width, const Glyphs& g);

}  // namespace tcpadvisor::watch
