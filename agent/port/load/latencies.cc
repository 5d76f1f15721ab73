// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/latencies.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tcpadvisor::port::load {

std::size_t Latencies::bucket_of(std::uint64_t ns) {
  if (ns < (1U << kStepBits)) return ns;
  unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kStepBits;
  return ((shift + 1) << kStepBits) + ((ns >> shift) & ((1U << kStepBits) - 1));
}

std::uint64_t Latencies::upper_end(std::size_t bucket) {
  if (bucket < (1U << kStepBits)) return bucket;
  auto shift = (bucket >> kStepBits) - 1;
  std::uint64_t step = (1U << kStepBits) + (bucket & ((1U << kStepBits) - 1));
  return ((step + 1) << shift) - 1;
}

void Latencies::add(Time latency) {
  std::int64_t ns = std::max<std::int64_t>(latency.count(), 0);
  ++counts_[bucket_of(static_cast<std::uint64_t>(ns))];
  ++count_;
  max_ = std::max(max_, ns);
}

void Latencies::merge(const Latencies& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

Time Latencies::percentile(double share) const {
  auto wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets && count_ > 0; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return Time(std::min(static_cast<std::int64_t>(upper_end(i)), max_));
  }
  return {};
}

}  // namespace tcpadvisor::port::load
