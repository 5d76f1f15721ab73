// SPDX-License-Identifier: Apache-2.0
// A moment of a recording as people write it. Pure, but for the time zone.
#pragma once

#include <cstdint>
#include <string>

#include "advisor/base/result.h"

namespace tcpadvisor::cli {

struct MomentOf {
  enum class From : std::uint8_t {
    start,  ///< "+90s": after the first tick
    end,    ///< "-30s": before the last
    epoch,  ///< "2026-11-30T14:03:20" (local), "…Z", "@1780000000"
    day,    ///< "14:03:20", "14:03": local time, on the day of the first tick or the one after
  } from = From::start;
  std::int64_t ms = 0;
};
Result<MomentOf> parse_moment(const std::string& text);

/// As unix time, in a recording from `first_ms` to `last_ms`; bad_input if that is not in it.
Result<std::int64_t> resolve(const MomentOf& moment, std::int64_t first_ms, std::int64_t last_ms);

std::string clock_text(std::int64_t wall_ms);  ///< "2026-11-30 14:03:20", local time

}  // namespace tcpadvisor::cli
