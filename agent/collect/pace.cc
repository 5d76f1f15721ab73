// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/pace.h"

#include <algorithm>

namespace tcpadvisor::collect {

using std::chrono::milliseconds;

WalkPace::WalkPace(double budget_percent, milliseconds interval)
    : allowed_share_(std::max(budget_percent, 0.01) / 100 * kTolerance), interval_(interval), period_(interval) {}

bool WalkPace::due(std::uint64_t now_ms) const {
  if (!last_start_ms_ || period_ <= interval_) return true;
  // Ticks are not exact: one that comes a little early must not make the pause one interval longer.
  auto slack = static_cast<std::uint64_t>(interval_.count()) / 4;
  return now_ms + slack >= *last_start_ms_ + static_cast<std::uint64_t>(period_.count());
}

void WalkPace::walked(std::uint64_t start_ms, std::uint64_t cpu_ns) {
  last_start_ms_ = start_ms;
  double needed_ms = static_cast<double>(cpu_ns) / 1e6 / allowed_share_;
  double longest = static_cast<double>(std::max(kLongest, interval_).count());
  period_ = std::max(interval_, milliseconds(static_cast<std::int64_t>(std::min(needed_ms, longest))));
}

bool HookMeter::should_start(std::uint64_t now_ms) const {
  if (started_ms_) return false;
  return !last_end_ms_ || now_ms >= *last_end_ms_ + static_cast<std::uint64_t>(kBetween.count());
}

void HookMeter::started(std::uint64_t now_ms, RunTime before) {
  started_ms_ = now_ms;
  before_ = before;
}

bool HookMeter::should_finish(std::uint64_t now_ms) const {
  return started_ms_ && now_ms >= *started_ms_ + static_cast<std::uint64_t>(kShortest.count());
}

HookMeter::Cost HookMeter::finished(std::uint64_t now_ms, RunTime after) {
  double seconds = static_cast<double>(now_ms - started_ms_.value_or(now_ms)) / 1000;
  started_ms_.reset();
  last_end_ms_ = now_ms;
  Cost cost;
  if (seconds <= 0) return cost;
  // A program that was detached meanwhile takes its time away with it: never below zero.
  auto rate = [seconds](std::uint64_t from, std::uint64_t to) {
    return to > from ? static_cast<double>(to - from) / seconds : 0;
  };
  cost.calls_ns_per_s = rate(before_.calls_ns, after.calls_ns);
  cost.all_ns_per_s = rate(before_.all_ns, after.all_ns);
  cost.drops_ns_per_s = rate(before_.drops_ns, after.drops_ns);
  cost.calls_over_budget = cost.calls_ns_per_s > budget_ns_per_s_;
  cost.drops_over_budget = cost.drops_ns_per_s > budget_ns_per_s_;
  return cost;
}

}  // namespace tcpadvisor::collect
