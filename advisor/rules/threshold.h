// SPDX-License-Identifier: Apache-2.0
// A number that a rule compares with. A policy file may set it: [rule.ID] NAME = …
#pragma once

#include <string_view>

namespace tcpadvisor {

struct Threshold {
  std::string_view name;  ///< snake_case, unique within a rule, stable for ever
  double initial = 0;     ///< what counts unless the policy says something else
  std::string_view unit;  ///< "s" is written as a duration ("5s"), "bytes" as a size ("64K"), "ratio" lies in 0..1
  double least = 0, most = 1;
  /// Of the mark: a finding that stands goes away only beyond this. Below 1 for what fires above its mark, above 1 for
  /// what fires below it; 1: at the mark.
  double clears = 1;

  /// The same, with its lower mark: what swings about the mark from look to look does not come and go with it.
  constexpr Threshold clears_at(double share) const {
    Threshold out = *this;
    out.clears = share;
    return out;
  }
};

constexpr Threshold ratio_threshold(std::string_view name, double initial) {
  return {name, initial, "ratio", 0, 1};
}
constexpr Threshold count_threshold(std::string_view name, double initial, std::string_view unit = "sockets") {
  return {name, initial, unit, 1, 1e9};
}
constexpr Threshold time_threshold(std::string_view name, double seconds) {
  return {name, seconds, "s", 0.001, 365.0 * 86'400};
}
constexpr Threshold size_threshold(std::string_view name, double bytes) {
  return {name, bytes, "bytes", 1, 0x1p50};
}

/// The general min_count of the policy, which a rule's own section overrides for that rule.
inline constexpr Threshold kMinCount = Threshold{"min_count", 16, "sockets", 1, 1e6}.clears_at(0.75);

}  // namespace tcpadvisor
