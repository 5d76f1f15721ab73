// SPDX-License-Identifier: Apache-2.0
// The last hour as numbers for charts: at most kMostSlots slots of kSlotMs, however often the agent looks. A slot keeps
// the largest that was seen of each value, so that no peak is lost. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "agent/observe/observation.h"

namespace tcpadvisor::serve {

inline constexpr std::size_t kCourses = 15;

class History {
 public:
  static constexpr std::int64_t kSlotMs = 2'000;
  static constexpr std::size_t kMostSlots = 1'800;

  /// By unix time. A clock that was set back takes what it now calls the future with it.
  void see(const observe::Observation& seen);
  std::size_t size() const { return slots_.size(); }

  /// {"step_s":2,"ts":[…],"courses":[{"name":…,"unit":…,"points":[…]}]}; null: not seen. One line.
  std::string as_json() const;
  /// [ts, one number per course]: the slot that the latest tick fell into. "[]" before there is one.
  std::string latest_json() const;

 private:
  struct Slot {
    std::int64_t number = 0;  ///< unix time / kSlotMs
    std::array<float, kCourses> values{};
  };
  std::deque<Slot> slots_;
};

}  // namespace tcpadvisor::serve
