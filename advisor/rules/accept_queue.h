// SPDX-License-Identifier: Apache-2.0
// Accept queues over the window: what the rules about listeners start from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "advisor/evidence/window.h"

namespace tcpadvisor {

/// What the samples of the window say about one listener.
struct QueueHistory {
  const SocketRow* listener = nullptr;
  Series waiting;               ///< connections in the queue
  Series fill;                  ///< queue / limit
  std::optional<double> drops;  ///< of this listener alone, else of its namespace
  double worst_drops = 0;       ///< in one step between two samples
  /// Connections of the namespace that found no place in a queue. A listener's own counter counts every segment that it
  /// refuses, for whatever reason (net/ipv4/tcp_ipv4.c), so drops alone are no overflow.
  std::optional<double> overflows;
  bool drops_are_exact = false;
  double full_s = 0;  ///< longest time it was full in all samples in a row
  /// Drops were for want of room: the namespace counts as many, or the queue was seen full.
  bool overflowed() const { return !overflows || 2 * *overflows >= drops.value_or(0) || fill.max() >= 1; }
  bool known() const { return !fill.empty() && drops.has_value(); }
  double full_share() const {
    return fill.share([](double share) { return share >= 1; });
  }
  double idle_share(double idle_fill) const {
    return fill.share([=](double share) { return share < idle_fill; });
  }
};

/// Of all listeners that have a row, in the sample's order. Rules ask Evidence::accept_queues(), which keeps them.
std::vector<QueueHistory> all_queues(const Window& window);
/// Why listeners cannot be judged at all, empty if they can.
std::string listener_problem(const Window& window, const std::vector<QueueHistory>& queues);

}  // namespace tcpadvisor
