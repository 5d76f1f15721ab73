// SPDX-License-Identifier: Apache-2.0
// When to tick. Pure: the clock comes in as numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tcpadvisor::observe {

constexpr std::uint64_t ns_of(std::chrono::milliseconds length) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(length).count());
}

struct Schedule {
  std::chrono::milliseconds interval{1'000};          ///< from the start of one tick to that of the next
  std::optional<std::chrono::milliseconds> length{};  ///< how long to go on; nothing: for ever
  bool ends_with_tick = false;                        ///< the last tick is at the very end, as a report wants it

  /// When an observation that began at `start_ns` is over; nothing: never.
  std::optional<std::uint64_t> end_ns(std::uint64_t start_ns) const;

  /// When the tick after that of `due_ns`, which is done at `now_ns`, is due; nothing: that was the last. A tick that
  /// took longer than the interval delays the next, ticks are never made up for.
  std::optional<std::uint64_t> next_due_ns(std::uint64_t start_ns, std::uint64_t due_ns, std::uint64_t now_ns) const;
};

}  // namespace tcpadvisor::observe
