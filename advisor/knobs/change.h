// SPDX-License-Identifier: Apache-2.0
// One setting to change, as numbers, and the only place that makes commands of it. Pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"
#include "advisor/knobs/keeping.h"

namespace tcpadvisor {

/// Values are in the knob's unit; triples such as tcp_rmem have three. `lower` ≤ `target` ≤ `upper` in each.
struct Change {
  std::string_view knob;  ///< a name of knobs()
  NetnsId netns = 0;      ///< where; without meaning for a setting of the whole host
  std::string netns_name;
  bool host_netns = true;  ///< `netns` is the host's own
  std::vector<std::int64_t> current, lower, target, upper;
  Keeping keeping;  ///< where to write it so that it stays

  /// A change in this namespace, still without values.
  static Change in(const Sample& sample, NetnsId netns, std::string_view knob);
};

/// As a person would type or write them; none of them is ever run by the advisor.
struct ChangeText {
  std::string scope;    ///< "host", "netns blue"
  std::string apply;    ///< until the next boot, or as long as the namespace lives
  std::string persist;  ///< where to write it so that it stays
  std::string rollback;
};
ChangeText text_of(const Change& change);

/// Numbers that were computed without a sign, as the values of a setting.
std::vector<std::int64_t> values_of(std::span<const std::uint64_t> numbers);
inline std::vector<std::int64_t> values_of(std::initializer_list<std::uint64_t> numbers) {
  return values_of(std::span(numbers.begin(), numbers.size()));
}
std::string values_text(const std::vector<std::int64_t>& values);  ///< "4096 131072 6291456"

}  // namespace tcpadvisor
