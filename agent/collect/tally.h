// SPDX-License-Identifier: Apache-2.0
// Adds up in user space what the kernel's walk would have added up: for sock_diag and /proc/net/tcp. Pure.
#pragma once

#include <chrono>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "agent/collect/busy_flows.h"
#include "agent/collect/network_tally.h"
#include "agent/collect/port_use_tally.h"
#include "agent/collect/row_keeper.h"
#include "agent/collect/state_ages.h"
#include "agent/kernel/tracer.h"
#include "agent/sources/owners.h"
#include "agent/sources/socket_rules.h"

namespace tcpadvisor::collect {

using OwnerTable = std::map<Pid, OwnerTotals>;

struct TallyContext {
  kernel::RowFilter filter;
  RowKeeper* keeper = nullptr;  ///< of the whole host: where the rows go
  BusyFlows* busy = nullptr;    ///< what came by a look is told to it; null: nothing is looked at
  NetnsId netns = 0;
  std::uint64_t now_ms = 0;
  const sources::OwnerScan* owners = nullptr;  ///< null: another source joins the owners
  NetworkTally* networks = nullptr;            ///< of the whole host, by those owners
};

/// One namespace. Sockets that a dump reports twice count once. The rows go to the keeper, not into the walk.
class Tally {
 public:
  Tally(const TallyContext& context, StateAges& ages, OwnerTable& owner_totals)
      : context_(context), ages_(ages), owner_totals_(owner_totals), port_use_(context.filter.ports) {}

  void add(SocketRow&& row);
  kernel::SocketWalk take();

 private:
  bool add_port(const SocketRow& row);  ///< whether something listens there

  TallyContext context_;
  StateAges& ages_;
  OwnerTable& owner_totals_;
  kernel::SocketWalk walk_;
  std::unordered_set<std::uint64_t> cookies_;
  std::map<std::uint16_t, PortTotals> ports_;  // listeners come before their connections in every dump
  std::unordered_map<std::uint64_t, CgroupTotals> cgroups_;
  PortUseTally port_use_;
};

/// Where a row goes. `spot` is given for one that came by a look.
void hand_over(SocketRow&& row, std::optional<kernel::Spot> spot, const TallyContext& context);

/// Finds the processes that hold a socket by its inode: each gets its numbers added, once, however many descriptors it
/// has. `old` is the age mark.
void add_to_owners(const SocketRow& row, const sources::OwnerScan& scan, std::chrono::milliseconds old,
                   OwnerTable& totals);

}  // namespace tcpadvisor::collect
