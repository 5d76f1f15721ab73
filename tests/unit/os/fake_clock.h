// SPDX-License-Identifier: Apache-2.0
// A clock that moves only when told to.
#pragma once

#include <cstdint>

#include "agent/os/clock.h"

namespace tcpadvisor::os {

class FakeClock final : public Clock {
 public:
  std::uint64_t mono_ns() const override { return mono_ns_; }
  std::int64_t wall_ms() const override { return 1'700'000'000'000 + static_cast<std::int64_t>(mono_ns_ / 1'000'000); }
  void advance_ms(std::uint64_t ms) { mono_ns_ += ms * 1'000'000; }

 private:
  std::uint64_t mono_ns_ = 1'000'000'000;
};

}  // namespace tcpadvisor::os
