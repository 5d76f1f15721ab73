// SPDX-License-Identifier: Apache-2.0
// Units, containers, pods and users: to which a socket belongs, and what the processes of each add up to. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/observe/observation.h"

namespace tcpadvisor::observe {

/// Where the process that holds it belongs, else the cgroup that it was made in. Nothing if neither is known.
std::optional<OwnerGroup> group_of(const SocketRow& row, const Window& window);
std::optional<OwnerGroup> group_of(const OwnerTotals& owner, const Sample& sample);

struct GroupTotals {
  std::optional<OwnerGroup> group;                   ///< nothing: processes whose cgroup is not known
  std::vector<const OwnerTotals*> processes;         ///< that hold TCP sockets, in the sample's order
  std::array<std::uint64_t, kStateCount> sockets{};  ///< as in OwnerTotals
  std::uint64_t old_close_wait = 0, old_fin_wait_2 = 0;
  std::uint64_t recv_q = 0, send_q = 0, rmem = 0, wmem = 0;
  std::uint64_t tcp_sockets() const;
};

/// A socket that several processes of a group hold counts once for it, if it has a row: what makes a flood, idle
/// connections of forked workers, is rarely shared.
std::vector<GroupTotals> group_totals(const Observation& seen);

}  // namespace tcpadvisor::observe
