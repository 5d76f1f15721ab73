// SPDX-License-Identifier: Apache-2.0
// A collector whose ticks a test makes up.
#pragma once

#include <functional>
#include <utility>

#include "agent/collect/collector.h"

namespace tcpadvisor::collect {

class FakeCollector final : public Collector {
 public:
  /// `tick(n)` makes the n-th tick; the first is 1.
  explicit FakeCollector(std::function<Result<SamplePtr>(int n)> tick) : tick_(std::move(tick)) {}

  Result<SamplePtr> tick() override { return tick_(++ticks); }
  std::optional<std::uint64_t> happened() override { return count_happened ? count_happened() : std::nullopt; }
  const std::vector<FactCoverage>& coverage() const override { return coverage_; }
  const std::string& privileges_kept() const override { return kept_; }

  int ticks = 0;
  std::function<std::optional<std::uint64_t>()> count_happened;

 private:
  std::function<Result<SamplePtr>(int)> tick_;
  std::vector<FactCoverage> coverage_;
  std::string kept_;
};

}  // namespace tcpadvisor::collect
