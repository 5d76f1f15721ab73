// SPDX-License-Identifier: Apache-2.0
// Where programs keep the limit of what they hold for a peer that does not read.
#pragma once

#include <optional>
#include <string_view>

namespace tcpadvisor {

/// Of a program that is well known, by its comm. The last part of a sentence.
std::optional<std::string_view> own_limit_of(std::string_view comm);

}  // namespace tcpadvisor
