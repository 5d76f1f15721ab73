// SPDX-License-Identifier: Apache-2.0
// The thresholds that a user may choose; rules take everything else from their own constants.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "advisor/base/result.h"

namespace tcpadvisor {

struct Policy {
  std::string name = "default";
  std::chrono::milliseconds window{10'000};  ///< length of one window
  std::uint32_t windows = 3;                 ///< a condition must hold in this many windows in a row
  std::chrono::milliseconds age{60'000};  ///< sockets older than this in a closing state are not just passing through
  std::uint32_t min_count = 16;           ///< fewer sockets than this are not a build-up

  /// "default" or "lab" (window 1 s, 2 windows, ages 5 s, counts >= 10); anything else is bad_input.
  static Result<Policy> named(std::string_view name);

  /// A policy file: TOML with the keys window, windows, age and min_count; what is not named keeps its default.
  /// Durations are texts with a unit ("10s"). Errors name `origin`, line and column.
  static Result<Policy> parse(std::string_view text, std::string_view origin);
};

}  // namespace tcpadvisor
