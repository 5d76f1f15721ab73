// SPDX-License-Identifier: Apache-2.0
// What somebody meant who mistyped a word. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor {

/// "; did you mean 'interval'?" for the nearest of `words` if it is at most two letters away (one in a word of up to
/// three), else "".
std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& words);

}  // namespace tcpadvisor
