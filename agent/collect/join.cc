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

std::span<const os::Descriptor> descriptors_of(const SocketRow& row, const OwnerEvidence& owners) {
  if (!owners.walk) {
    return owners.scan != nullptr && row.inode != 0 ? owners.scan->of(row.inode) : std::span<const os::Descriptor>();
  }
  auto found =
      row.cookie != 0 ? os::descriptors_of(owners.walk->by_cookie, row.cookie) : std::span<const os::Descriptor>();
  if (!found.empty() || !row.mptcp || row.inode == 0) return found;
  return os::descriptors_of(owners.walk->by_inode, row.inode);  // the subflows of MPTCP's socket
}

/// The hooks know processes by the numbers of the first pid namespace.
void translate_last_user(SocketRow& row, std::uint32_t pid_level, const OwnerEvidence& owners) {
  if (!row.last_user || pid_level == 0) return;
  Pid ours = 0;
  if (owners.walk) {
    auto known = owners.walk->by_tgid.find(row.last_user->pid);
    if (known != owners.walk->by_tgid.end()) ours = known->second;
  }
  row.last_user->pid = ours;
}

os::Kin kin_in(const kernel::OwnerWalk& walk, Pid pid) {
  auto found = walk.kin.find(pid);
  return found == walk.kin.end() ? os::Kin{} : found->second;
}

/// A file that no process has a descriptor for, twice in a row while nothing moved: it is on its way in a message of a
/// unix socket, or registered with io_uring. Once may be a descriptor that came or went between two walks.
///
/// From within a pid namespace: somebody outside has it, unless it was one of us who used it last.
void find_who_has_no_descriptor(SocketRow& row, const OwnerEvidence& owners, Picture& picture) {
  if (row.owner || row.holder != Holder::process || row.cookie == 0) return;
  if (!owners.sees_all && !owners.sees_inside) return;
  StandStill now{row.recv_q, row.send_q, row.bytes_received.value_or(0), row.bytes_acked.value_or(0)};
  picture.without_descriptor.emplace(row.cookie, now);
  if (owners.without_descriptor == nullptr) return;
  auto before = owners.without_descriptor->find(row.cookie);
  if (before == owners.without_descriptor->end()) return;
  if (owners.sees_inside) {
    if (!row.last_user || row.last_user->pid == 0) row.holder = Holder::outside;
  } else if (before->second == now) {
    row.holder = Holder::no_descriptor;
  }
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
  if (destinations_uncounted > 0)
    reasons.push_back(fmt::format("the destinations of {} sockets are too many to count their ports",
                                  with_commas(destinations_uncounted)));
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
  std::uint32_t pid_level = 0;
  std::map<NetnsId, kernel::PortRange> ranges;
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
    pid_level = std::max(pid_level, walk.pid_level);
    if (!picture.memory.pages && walk.memory.pages) picture.memory = walk.memory;
    for (const CgroupTotals& group : walk.cgroups) add(cgroups[group.id], group);
    picture.ports.insert(picture.ports.end(), walk.ports.begin(), walk.ports.end());
    picture.port_use.insert(picture.port_use.end(), walk.port_use.begin(), walk.port_use.end());
    picture.destinations_uncounted += walk.destinations_uncounted;
    ranges[reading.ref.id] = reading.ports;
  }
  keep_fullest(picture.port_use, ranges, kernel::kMaxPortUse);
  picture.rows = std::move(rows);
  bool count = !owners.walk && owners.scan != nullptr && owners.totals.empty();
  KinOf kin_of = owners.kin_of;
  if (owners.walk) kin_of = [&walk = *owners.walk](Pid pid) { return kin_in(walk, pid); };
  for (SocketRow& row : picture.rows) {
    translate_last_user(row, pid_level, owners);
    if (count) add_to_owners(row, *owners.scan, filter.old, owners.totals);
    name_holders(row, descriptors_of(row, owners), kin_of);
    // A descriptor is proof; between two walks a socket may have been accepted.
    if (row.owner && row.kind == SocketKind::full) row.holder = Holder::process;
    find_who_has_no_descriptor(row, owners, picture);
  }
  for (auto& [id, group] : cgroups) picture.cgroups.push_back(std::move(group));
  picture.unaggregated += keep_largest(picture.cgroups, kMaxCgroups, [](const CgroupTotals& g) { return g.sockets; });
  picture.unaggregated += keep_largest(picture.ports, kMaxPorts, sockets_of_port);
  if (pid_level > 0) picture.our_pids.emplace();
  if (owners.walk) {
    if (pid_level > 0) picture.our_pids = std::move(owners.walk->by_tgid);
    picture.owners = std::move(owners.walk->owners);
    picture.owners_suppressed = owners.walk->suppressed;
    picture.networks = std::move(owners.walk->networks);
    picture.networks_uncounted = owners.walk->networks_uncounted;
  } else {
    picture.networks = owners.networks.take();
    picture.networks_uncounted = owners.networks.uncounted();
    for (auto& [pid, totals] : owners.totals) picture.owners.push_back(std::move(totals));
  }
  keep_largest(picture.networks);
  picture.owners_suppressed +=
      keep_largest(picture.owners, kMaxOwners, [](const OwnerTotals& owner) { return owner.tcp_sockets(); });
  return picture;
}

}  // namespace tcpadvisor::collect
