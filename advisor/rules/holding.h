// SPDX-License-Identifier: Apache-2.0
// Who holds sockets in a closing state, how many, since when and growing how fast: what all leak rules start from.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/policy.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

/// The sockets of one process in one state. Counts come from OwnerTotals where there are some (they are complete, rows
/// may be capped); rows give ages, addresses and examples. Sockets whose process cannot be seen are one group per
/// namespace.
struct Holding {
  Scope scope;                         ///< pid is not set when the process cannot be seen
  const OwnerTotals* owner = nullptr;  ///< in the latest sample
  std::uint64_t count = 0;
  std::uint64_t old = 0;        ///< of those, in the state for longer than Policy::age, and no byte moves
  std::uint64_t persisted = 0;  ///< of those not old, seen during the whole window, and nobody knows how long before
  Series counts;                ///< count over time
  Age oldest, median;           ///< of the rows; an age is a lower bound unless the transition was seen
  std::uint64_t unread_bytes = 0;
  std::vector<const SocketRow*> rows;
};

/// All holdings of `state` that have at least one socket, largest first. The window is not empty.
std::vector<Holding> holdings(const Window& window, const Policy& policy, TcpState state);

/// Of these, the processes that one parent started under one name, each set of two or more as one holding: the first of
/// them is in its scope, with the others who share the fault. What is not known to have such siblings is left out.
std::vector<Holding> together(const Window& window, std::vector<Holding> holdings, TcpState state);

/// The endpoint all rows share ("10.0.0.1:443"), else their address ("10.0.0.1"), else empty.
std::string common_local(const std::vector<const SocketRow*>& rows);
std::string common_remote(const std::vector<const SocketRow*>& rows);
std::string common_end(const std::vector<Endpoint>& ends);

/// Who holds these sockets, what ends they share, and how many they are. There is at least one.
void name_sockets(Scope& scope, const std::vector<const SocketRow*>& rows);

/// Of the descriptor limit: from here on a leak is urgent.
inline constexpr Threshold kFdUse = ratio_threshold("fd_use", 0.8);

/// The evidence that every leak rule gives: count, old ones, age, growth, and descriptors against their limit.
std::vector<Measurement> leak_evidence(const Window& window, const Policy& policy, const Holding& holding,
                                       const std::string& prefix, std::uint64_t threshold);

}  // namespace tcpadvisor
