// SPDX-License-Identifier: Apache-2.0
// Time behind an interface, so that everything that waits or ages can be tested with a clock made by hand.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

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

/// A clock that a thread can sleep by.
class SleepClock : public Clock {
 public:
  /// Returns when the clock shows `mono_ns` or later, or when interrupt() has been called.
  virtual void sleep_until(std::uint64_t mono_ns) = 0;
  /// From any thread: ends the sleep under way, and every later one at once.
  virtual void interrupt() = 0;
};

class RealSleepClock final : public SleepClock {
 public:
  std::uint64_t mono_ns() const override { return clock_.mono_ns(); }
  std::int64_t wall_ms() const override { return clock_.wall_ms(); }
  void sleep_until(std::uint64_t mono_ns) override;
  void interrupt() override;

 private:
  RealClock clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool interrupted_ = false;
};

/// CPU time of the calling thread and of the whole process, user and system together.
std::uint64_t thread_cpu_ns();
std::uint64_t process_cpu_ns();

}  // namespace tcpadvisor::os
