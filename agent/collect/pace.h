// SPDX-License-Identifier: Apache-2.0
// How often we may do what costs time. Pure: the clock comes in as numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace tcpadvisor::collect {

/// Stretches the time between walks so that their CPU stays near the budget. Between walks the last result is shown
/// with its age; nothing is sampled or guessed instead.
class WalkPace {
 public:
  static constexpr double kTolerance = 5;  ///< a walk may cost this many budgets before it becomes rarer than the ticks
  static constexpr std::chrono::milliseconds kLongest{30'000};

  WalkPace(double budget_percent, std::chrono::milliseconds interval);

  bool due(std::uint64_t now_ms) const;
  void walked(std::uint64_t start_ms, std::uint64_t cpu_ns);
  std::chrono::milliseconds period() const { return period_; }

 private:
  double allowed_share_;  ///< of one core
  std::chrono::milliseconds interval_, period_;
  std::optional<std::uint64_t> last_start_ms_;
};

/// Measures what the hooks cost in one short slice now and then (measuring itself costs about 50 ns per run) and says
/// when the ones on every call, or on every packet that is dropped, are over the budget.
class HookMeter {
 public:
  static constexpr std::chrono::milliseconds kBetween{30'000};
  static constexpr std::chrono::milliseconds kShortest{200};

  struct RunTime {
    std::uint64_t calls_ns = 0, drops_ns = 0;  ///< run time so far of the programs on every call, and every drop
    std::uint64_t all_ns = 0;                  ///< of all programs
  };
  struct Cost {
    double calls_ns_per_s = 0, drops_ns_per_s = 0, all_ns_per_s = 0;
    bool calls_over_budget = false, drops_over_budget = false;
  };

  explicit HookMeter(double budget_percent) : budget_ns_per_s_(budget_percent * 1e7) {}

  bool should_start(std::uint64_t now_ms) const;  ///< turn the kernel's statistics on now
  void started(std::uint64_t now_ms, RunTime before);
  bool should_finish(std::uint64_t now_ms) const;  ///< the slice is long enough: read, and turn them off
  Cost finished(std::uint64_t now_ms, RunTime after);
  void put_off(std::uint64_t now_ms) { last_end_ms_ = now_ms; }  ///< not now: the kernel refused

 private:
  double budget_ns_per_s_;
  std::optional<std::uint64_t> started_ms_, last_end_ms_;
  RunTime before_;
};

}  // namespace tcpadvisor::collect
