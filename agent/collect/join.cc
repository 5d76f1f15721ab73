// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/join.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "advisor/base/text.h"

namespace tcpadvisor::collect {
namespace {

void add(CgroupTotals& into, const CgroupTotals& more) {
  into.id = more.id;
  into.sockets += more.sockets;
  into.recv_q += more.recv_q;
  into.send_q += more.send_q;
  into.rmem += more.rmem;
  into.wmem += more.wmem;
}

/// First holder and number of holding processes of a socket, by inode.
std::optional<Owner> owner_of(const sources::OwnerScan& scan, std::uint64_t inode) {
  std::optional<Owner> owner;
  Pid last = 0;
  for (const sources::SocketHolder& holder : scan.of(inode)) {  // sorted by pid
    if (!owner) {
      owner = Owner{holder.pid, "", holder.fd, 1};
    } else if (holder.pid != last) {
      ++owner->holders;
    }
    last = holder.pid;
  }
  return owner;
}

void find_owner(SocketRow& row, OwnerEvidence& owners, const kernel::RowFilter& filter) {
  if (owners.walk && row.cookie != 0) {
    auto at = owners.walk->by_cookie.find(row.cookie);
    if (at != owners.walk->by_cookie.end()) row.owner = at->second;
  } else if (!row.owner && owners.scan != nullptr && row.inode != 0) {
    row.owner = owner_of(*owners.scan, row.inode);
  }
  if (owners.totals_from_rows && owners.scan != nullptr && row.inode != 0) {
    for (const sources::SocketHolder& holder : owners.scan->of(row.inode)) {
      OwnerTotals& totals = owners.totals[holder.pid];
      totals.pid = holder.pid;
      add_to_owner(totals, row, static_cast<std::uint64_t>(filter.old.count()));
    }
  }
  // A descriptor is proof; between two walks a socket may have been accepted.
  if (row.owner && row.kind == SocketKind::full) row.holder = Holder::process;
}

}  // namespace

std::string Picture::why_partial() const {
  std::vector<std::string> reasons;
  if (rows_suppressed > 0)
    reasons.push_back(fmt::format("{} more sockets that matter have no row", with_commas(rows_suppressed)));
  if (owners_suppressed > 0)
    reasons.push_back(fmt::format("owners of {} sockets left out", with_commas(owners_suppressed)));
  if (unaggregated > 0)
    reasons.push_back(fmt::format("{} sockets not counted by cgroup or port", with_commas(unaggregated)));
  if (undecodable > 0)
    reasons.push_back(fmt::format("{} answers of sock_diag not understood", with_commas(undecodable)));
  if (dumps_interrupted > 0) reasons.emplace_back("the sockets changed during the dump: some may be missing or old");
  for (const auto& [id, why] : failed) reasons.push_back(why);
  return fmt::format("{}", fmt::join(reasons, "; "));
}

Picture join(std::vector<NetnsReading>& readings, OwnerEvidence owners, const kernel::RowFilter& filter,
             std::size_t max_rows) {
  Picture picture;
  RowKeeper keeper(filter, max_rows);
  std::map<std::uint64_t, CgroupTotals> cgroups;
  for (NetnsReading& reading : readings) {
    if (reading.not_entered) continue;
    picture.dumps_interrupted += reading.dump_interrupted;
    picture.undecodable += reading.undecodable;
    if (reading.walk_failed) picture.failed[reading.ref.id] = reading.walk_failed->message;
    if (!reading.walk) continue;
    kernel::SocketWalk& walk = *reading.walk;
    picture.states[reading.ref.id] = walk.states;
    picture.walked += walk.walked;
    picture.rows_suppressed += walk.suppressed;
    picture.unaggregated += walk.unaggregated;
    if (!picture.memory.pages && walk.memory.pages) picture.memory = walk.memory;
    for (const CgroupTotals& group : walk.cgroups) add(cgroups[group.id], group);
    picture.ports.insert(picture.ports.end(), walk.ports.begin(), walk.ports.end());
    for (SocketRow& row : walk.rows) {
      find_owner(row, owners, filter);
      keeper.offer(std::move(row));
    }
    walk.rows.clear();
  }
  picture.rows = keeper.take();
  picture.rows_suppressed += keeper.suppressed();
  for (auto& [id, group] : cgroups) picture.cgroups.push_back(std::move(group));
  if (owners.walk) {
    picture.owners = std::move(owners.walk->owners);
    picture.owners_suppressed = owners.walk->suppressed;
  } else {
    for (auto& [pid, totals] : owners.totals) picture.owners.push_back(std::move(totals));
  }
  return picture;
}

}  // namespace tcpadvisor::collect
