// SPDX-License-Identifier: Apache-2.0
// Time behind an interface, so that everything that waits or ages can be tested with a clock made by hand.
#pragma once

#include <cstdint>

namespace tcpadvisor::os {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::uint64_t mono_ns() const = 0;  ///< CLOCK_MONOTONIC
  virtual std::int64_t wall_ms() const = 0;   ///< unix time
  std::uint64_t mono_ms() const { return mono_ns() / 1'000'000; }
};

class RealClock final : public Clock {
 public:
  std::uint64_t mono_ns() const override;
  std::int64_t wall_ms() const override;
};

/// CPU time of the calling thread and of the whole process, user and system together.
std::uint64_t thread_cpu_ns();
std::uint64_t process_cpu_ns();

}  // namespace tcpadvisor::os
