// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/join.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <numeric>

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

/// The sockets of those that were left out.
template <typename Totals, typename SocketsOf>
std::uint64_t keep_largest(std::vector<Totals>& list, std::size_t most, SocketsOf sockets_of) {
  if (list.size() <= most) return 0;
  auto end_of_kept = list.begin() + static_cast<std::ptrdiff_t>(most);
  std::ranges::nth_element(list, end_of_kept, std::ranges::greater(), sockets_of);
  std::uint64_t left_out = 0;
  for (auto at = end_of_kept; at != list.end(); ++at) left_out += sockets_of(*at);
  list.erase(end_of_kept, list.end());
  return left_out;
}

std::uint64_t sockets_of_port(const PortTotals& port) {
  return std::accumulate(port.sockets.begin(), port.sockets.end(), std::uint64_t{0});
}

void find_owner(SocketRow& row, OwnerEvidence& owners, bool count, const kernel::RowFilter& filter) {
  if (owners.walk && row.cookie != 0) {
    auto at = owners.walk->by_cookie.find(row.cookie);
    if (at != owners.walk->by_cookie.end()) row.owner = at->second;
  } else if (count) {
    add_owners(row, *owners.scan, filter.old, owners.totals);
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

Picture join(std::vector<NetnsReading>& readings, std::vector<SocketRow> rows, OwnerEvidence owners,
             const kernel::RowFilter& filter) {
  Picture picture;
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
  }
  picture.rows = std::move(rows);
  bool count = !owners.walk && owners.scan != nullptr && owners.totals.empty();
  for (SocketRow& row : picture.rows) find_owner(row, owners, count, filter);
  for (auto& [id, group] : cgroups) picture.cgroups.push_back(std::move(group));
  picture.unaggregated += keep_largest(picture.cgroups, kMaxCgroups, [](const CgroupTotals& g) { return g.sockets; });
  picture.unaggregated += keep_largest(picture.ports, kMaxPorts, sockets_of_port);
  if (owners.walk) {
    picture.owners = std::move(owners.walk->owners);
    picture.owners_suppressed = owners.walk->suppressed;
  } else {
    for (auto& [pid, totals] : owners.totals) picture.owners.push_back(std::move(totals));
  }
  picture.owners_suppressed +=
      keep_largest(picture.owners, kMaxOwners, [](const OwnerTotals& owner) { return owner.tcp_sockets(); });
  return picture;
}

}  // namespace tcpadvisor::collect
