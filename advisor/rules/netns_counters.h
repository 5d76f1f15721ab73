// SPDX-License-Identifier: Apache-2.0
// What rules share that judge the kernel's counters of one namespace: those do not tell which process is behind them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/rules/rule.h"

namespace tcpadvisor {

/// A finding about a whole namespace: what is left out is the rule's.
Finding finding_of_netns(const Sample& sample, const NetnsSample& netns, std::string_view id);

/// The increase of `counter` in this namespace over the window, with what goes into the evidence.
struct Counted {
  std::string_view counter;
  double times = 0;
  Series over_time;
  double per_s = 0;
  double per_min() const { return per_s * 60; }
  /// The steps from one look to the next in which it moved, of all of them.
  std::size_t steps_with() const;
};
std::optional<Counted> counted_in(const Window& window, NetnsId netns, std::string_view counter);

/// Why nothing is known of a counter that was not read twice: too few samples, or it was missing there.
std::string not_read_twice(const Window& window, NetnsId netns, std::string_view counter);

/// Asks `judge` about each namespace in which `counter` was read twice; where it was not, that is told. Nothing to
/// report: fine, with the largest increase of a namespace.
Outcome judge_counter(const Evidence& in, std::string_view counter, std::string metric,
                      const std::function<std::optional<Finding>(const NetnsSample&, const Counted&)>& judge);

/// The process that has all the listening sockets of the namespace that are visible; null if there is none, or more
/// than one.
const SocketRow* only_server(const Evidence& in, NetnsId netns);

}  // namespace tcpadvisor
