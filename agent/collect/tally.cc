// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/tally.h"

#include "agent/kernel/matters.h"

namespace tcpadvisor::collect {

namespace {

void add_to_owner(OwnerTotals& totals, const SocketRow& row, std::uint64_t old_ms) {
  ++totals.sockets[index_of(row.state)];
  bool old = row.state_age_ms.value_or(0) >= old_ms;
  if (old && row.state == TcpState::close_wait) ++totals.old_close_wait;
  if (old && row.state == TcpState::fin_wait_2) ++totals.old_fin_wait_2;
  totals.recv_q += row.recv_q;
  totals.send_q += row.send_q;
  totals.rmem += row.rmem_alloc.value_or(0);
  totals.wmem += row.wmem_queued.value_or(0);
}

}  // namespace

void add_to_owners(const SocketRow& row, const sources::OwnerScan& scan, std::chrono::milliseconds old,
                   OwnerTable& totals) {
  if (row.inode == 0) return;
  Pid last = 0;
  for (const os::Descriptor& one : scan.of(row.inode)) {  // by pid
    if (one.pid == last) continue;
    last = one.pid;
    OwnerTotals& owner = totals[one.pid];
    owner.pid = one.pid;
    add_to_owner(owner, row, static_cast<std::uint64_t>(old.count()));
  }
}

void hand_over(SocketRow&& row, std::optional<kernel::Spot> spot, const TallyContext& context) {
  if (!spot || context.busy == nullptr) return context.keeper->offer(std::move(row));
  context.busy->saw(row, *spot);
  context.keeper->offer_looked_at(std::move(row));
}

void Tally::add(SocketRow&& row) {
  if (row.cookie != 0 && !cookies_.insert(row.cookie).second) return;
  row.netns = context_.netns;
  ++walk_.walked;

  StateTotals& state = walk_.states[index_of(row.state)];
  ++state.count;
  state.recv_q += row.recv_q;
  state.send_q += row.send_q;
  state.rmem += row.rmem_alloc.value_or(0);
  state.wmem += row.wmem_queued.value_or(0);

  ages_.observe(row, context_.now_ms);
  if (context_.owners != nullptr) add_to_owners(row, *context_.owners, context_.filter.old, owner_totals_);
  const bool accepted = add_port(row);
  if (!accepted) port_use_.add(row);
  if (context_.owners != nullptr && context_.networks != nullptr && row.inode != 0)
    context_.networks->add(row, accepted, context_.owners->of(row.inode));
  if (row.cgroup_id != 0 && row.kind == SocketKind::full) {
    CgroupTotals& cgroup = cgroups_[row.cgroup_id];
    cgroup.id = row.cgroup_id;
    ++cgroup.sockets;
    cgroup.recv_q += row.recv_q;
    cgroup.send_q += row.send_q;
    cgroup.rmem += row.rmem_alloc.value_or(0);
    cgroup.wmem += row.wmem_queued.value_or(0);
  }
  std::optional<kernel::Spot> spot;
  if (context_.busy != nullptr && !kernel::matters(row, context_.filter)) spot = looked_at(row, context_.busy->look());
  hand_over(std::move(row), spot, context_);
}

bool Tally::add_port(const SocketRow& row) {
  if (row.state == TcpState::listen) {
    PortTotals& totals = ports_[row.local.port];
    totals.netns = context_.netns;
    totals.port = row.local.port;
  }
  auto at = ports_.find(row.local.port);
  if (at == ports_.end()) return false;
  ++at->second.sockets[index_of(row.state)];
  if (row.state == TcpState::close_wait && row.holder == Holder::unaccepted) ++at->second.unaccepted_close_wait;
  at->second.recv_q += row.recv_q;
  at->second.send_q += row.send_q;
  return true;
}

kernel::SocketWalk Tally::take() {
  walk_.port_use = port_use_.most();
  for (PortUse& use : walk_.port_use) use.netns = context_.netns;
  walk_.destinations_uncounted = port_use_.uncounted();
  for (auto& [port, totals] : ports_) walk_.ports.push_back(totals);
  for (auto& [id, totals] : cgroups_) walk_.cgroups.push_back(std::move(totals));
  return std::move(walk_);
}

}  // namespace tcpadvisor::collect
