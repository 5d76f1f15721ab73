// SPDX-License-Identifier: Apache-2.0
// What somebody meant who mistyped a word. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor {

/// "; did you mean 'interval'?" for the nearest of `words` if it is at most two letters away (one in a word of up to
/// three), else "".
std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& words);
/// The place of that nearest one, if there is one.
std::optional<std::size_t> nearest(std::string_view text, const std::vector<std::string_view>& words);

/// "Close-Wait" and "CLOSE_WAIT" -> "closewait": letters and digits alone, all small.
std::string folded(std::string_view text);

}  // namespace tcpadvisor
