// SPDX-License-Identifier: Apache-2.0
// How wide text is on a terminal, and text cut, filled and broken to a width. Used by every face: reports, screens,
// messages. As wcwidth() in a UTF-8 locale says, but without a locale: combining characters take no column, East Asian
// wide characters and emoji take two, all others one; so does a control character or a byte that is not valid UTF-8
// (printable() makes it '?'). A sequence that a terminal may join into one emoji counts as its parts. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/utf8.h"

namespace tcpadvisor {

std::size_t columns_of(const CodePoint& point);  ///< 0, 1 or 2
std::size_t columns_of(std::string_view text);

/// The longest beginning or end of at most `width` columns. Never a part of a character, never an accent without it.
std::string_view beginning_of(std::string_view text, std::size_t width);
std::string_view end_of(std::string_view text, std::size_t width);

/// At most `width` columns. What does not fit ends in the ellipsis, which takes one column.
std::string cut(std::string_view text, std::size_t width, std::string_view ellipsis = "…");
/// The same, but it is the middle that is left out: both ends of an address or path matter.
std::string cut_middle(std::string_view text, std::size_t width, std::string_view ellipsis = "…");

/// Filled with blanks up to `width` columns; a wider text stays as it is.
std::string fill_right(std::string text, std::size_t width);
std::string fill_left(std::string text, std::size_t width);

/// A word that is wider than a line: broken (a screen must show it all) or left whole (a reader may copy it).
enum class LongWords { broken, whole };

/// Paragraphs broken at blanks so that no line is wider than `width`; continuation lines begin with `indent` blanks.
/// At least one line; a paragraph of blanks is an empty line.
std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t indent = 0,
                              LongWords long_words = LongWords::broken);

}  // namespace tcpadvisor
