// SPDX-License-Identifier: Apache-2.0
// Many durations in little memory: a histogram with 32 steps for each power of two, so at most 3 % off. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "agent/port/terms.h"

namespace tcpadvisor::port::load {

class Latencies {
 public:
  void add(Time latency);
  void merge(const Latencies& other);

  std::uint64_t count() const { return count_; }
  Time max() const { return Time(max_); }
  /// The smallest duration that `share` (0 to 1) of all do not exceed; 0 if there are none.
  Time percentile(double share) const;

 private:
  static constexpr unsigned kStepBits = 5;
  static constexpr std::size_t kBuckets = (64 - kStepBits + 1) << kStepBits;
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t upper_end(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace tcpadvisor::port::load
