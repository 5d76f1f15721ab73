// SPDX-License-Identifier: Apache-2.0
#include "agent/os/clock.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace tcpadvisor::os {
namespace {

std::uint64_t read_ns(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t RealClock::mono_ns() const {
  return read_ns(CLOCK_MONOTONIC);
}
std::int64_t RealClock::wall_ms() const {
  return static_cast<std::int64_t>(read_ns(CLOCK_REALTIME) / 1'000'000);
}

void RealSleepClock::sleep_until(std::uint64_t mono_ns) {
  static constexpr std::uint64_t kMost = 1ull << 62;  // steady_clock, which is CLOCK_MONOTONIC here, counts signed
  using Time = std::chrono::steady_clock::time_point;
  Time until{std::chrono::nanoseconds(std::min(mono_ns, kMost))};
  std::unique_lock lock(mutex_);
  wake_.wait_until(lock, until, [this] { return interrupted_; });
}

void RealSleepClock::interrupt() {
  {
    std::lock_guard lock(mutex_);
    interrupted_ = true;
  }
  wake_.notify_all();
}

std::uint64_t thread_cpu_ns() {
  return read_ns(CLOCK_THREAD_CPUTIME_ID);
}
std::uint64_t process_cpu_ns() {
  return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

}  // namespace tcpadvisor::os
