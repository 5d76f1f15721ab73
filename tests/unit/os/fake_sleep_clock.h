// SPDX-License-Identifier: Apache-2.0
// A clock whose sleeps take no time: it moves to where the sleeper wants to be.
#pragma once

#include <atomic>
#include <functional>

#include "agent/os/clock.h"

namespace tcpadvisor::os {

class FakeSleepClock final : public SleepClock {
 public:
  std::function<void(std::uint64_t until_ms)> before_sleep;  ///< in the sleeper's thread; may wait for a test's say

  std::uint64_t mono_ns() const override { return now_ns_; }
  std::int64_t wall_ms() const override { return 1'700'000'000'000 + static_cast<std::int64_t>(now_ns_ / 1'000'000); }
  void sleep_until(std::uint64_t mono_ns) override {
    if (before_sleep) before_sleep(mono_ns / 1'000'000);
    if (!interrupted_ && mono_ns > now_ns_) now_ns_ = mono_ns;
  }
  void interrupt() override { interrupted_ = true; }
  void advance_ms(std::uint64_t ms) { now_ns_ += ms * 1'000'000; }

 private:
  std::atomic<std::uint64_t> now_ns_ = 0;
  std::atomic<bool> interrupted_ = false;
};

}  // namespace tcpadvisor::os
