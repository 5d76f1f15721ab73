// SPDX-License-Identifier: Apache-2.0
// The thresholds that a user may choose: four for all rules, and those that each rule declares.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

struct Policy {
  using Values = std::map<std::string, double, std::less<>>;  ///< by threshold, in its unit

  std::string name = "default";
  std::chrono::milliseconds window{10'000};  ///< length of one window
  std::uint32_t windows = 3;                 ///< a condition must hold in this many windows in a row
  std::chrono::milliseconds age{60'000};  ///< sockets older than this in a closing state are not just passing through
  std::uint32_t min_count = 16;           ///< fewer sockets than this are not a build-up
  std::map<std::string, Values, std::less<>> rules = {};  ///< what the file says below [rule.ID]
  Values own = {};                                        ///< of the rule that judges now: see of()
  bool clearing = false;  ///< asks by the lower marks, beyond which a finding that stands goes away

  /// As the rule with this id has to see it: its own section counts, also for min_count.
  Policy of(std::string_view rule) const;
  /// For findings that stand already: every threshold at its lower mark.
  Policy to_clear() const;
  /// What a rule compares with: its section's value, else the threshold's own (kMinCount: the general one).
  double value(const Threshold& threshold) const;

  /// "default" or "lab" (window 1 s, 2 windows, ages 5 s, counts >= 10); anything else is bad_input.
  static Result<Policy> named(std::string_view name);

  /// A policy file in TOML (docs/policy.md): window, windows, age and min_count, then sections [rule.ID] with the
  /// thresholds of that rule. What is not named keeps its default. Errors name `origin`, line and column.
  static Result<Policy> parse(std::string_view text, std::string_view origin);
};

}  // namespace tcpadvisor
