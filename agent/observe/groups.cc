// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/groups.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "advisor/base/saturate.h"

namespace tcpadvisor::observe {
namespace {

using Place = std::optional<OwnerGroup>;

void add(std::uint64_t& to, std::uint64_t amount) {
  to = add_sat(to, amount);
}

void take(std::uint64_t& from, std::uint64_t amount) {
  from = sub_sat(from, amount);
}

void add_owner(GroupTotals& totals, const OwnerTotals& owner) {
  totals.processes.push_back(&owner);
  for (std::size_t state = 0; state < kStateCount; ++state) add(totals.sockets[state], owner.sockets[state]);
  add(totals.old_close_wait, owner.old_close_wait);
  add(totals.old_fin_wait_2, owner.old_fin_wait_2);
  add(totals.recv_q, owner.recv_q);
  add(totals.send_q, owner.send_q);
  add(totals.rmem, owner.rmem);
  add(totals.wmem, owner.wmem);
}

/// Counted `times` too often, once for every further holder.
void take_row(GroupTotals& totals, const SocketRow& row, std::uint64_t times) {
  take(totals.sockets[index_of(row.state)], times);
  take(totals.recv_q, mul_sat(times, row.recv_q));
  take(totals.send_q, mul_sat(times, row.send_q));
  take(totals.rmem, mul_sat(times, row.rmem_alloc.value_or(0)));
  take(totals.wmem, mul_sat(times, row.wmem_queued.value_or(0)));
}

}  // namespace

std::uint64_t GroupTotals::tcp_sockets() const {
  return std::accumulate(sockets.begin(), sockets.end(), std::uint64_t{0});
}

std::optional<OwnerGroup> group_of(const OwnerTotals& owner, const Sample& sample) {
  return sample.group_at(owner.cgroup);
}

std::optional<OwnerGroup> group_of(const SocketRow& row, const Window& window) {
  const OwnerTotals* owner = row.owner ? window.connections().owner(row.owner->pid) : nullptr;
  bool by_owner = owner != nullptr && !owner->cgroup.empty();
  return window.latest().group_at(by_owner ? owner->cgroup : row.cgroup);
}

std::vector<GroupTotals> group_totals(const Observation& seen) {
  std::map<Place, std::size_t> known;
  std::map<Pid, std::size_t> group_of_pid;
  std::vector<GroupTotals> all;
  for (const OwnerTotals& owner : seen.now().owners) {
    Place place = group_of(owner, seen.now());
    auto [at, is_new] = known.try_emplace(place, all.size());
    if (is_new) all.emplace_back().group = std::move(place);
    group_of_pid[owner.pid] = at->second;
    add_owner(all[at->second], owner);
  }
  for (const SocketRow& row : seen.now().sockets) {
    if (!row.owner || row.owner->holders < 2) continue;
    std::map<std::size_t, std::uint64_t> holders;  // by group; those without a name are taken to be the owner's kind
    auto own = group_of_pid.find(row.owner->pid);
    std::uint64_t named = std::min<std::uint64_t>(row.others.size(), row.owner->holders - 1);
    if (own != group_of_pid.end()) holders[own->second] = row.owner->holders - named;
    for (const HoldingProcess& other : row.others) {
      if (auto at = group_of_pid.find(other.pid); at != group_of_pid.end()) ++holders[at->second];
    }
    for (const auto& [group, count] : holders) {
      std::uint64_t counted = std::min<std::uint64_t>(count, all[group].processes.size());
      if (counted > 1) take_row(all[group], row, counted - 1);
    }
  }
  return all;
}

}  // namespace tcpadvisor::observe
