// SPDX-License-Identifier: Apache-2.0
// The walks over all namespaces and the walk over owners become one picture. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/collect/holders.h"
#include "agent/collect/netns_reader.h"

namespace tcpadvisor::collect {

/// What a socket has done so far: equal twice, it does nothing.
struct StandStill {
  std::uint64_t recv_q = 0, send_q = 0, bytes_received = 0, bytes_acked = 0;
  bool operator==(const StandStill&) const = default;
};
using StandStills = std::map<std::uint64_t, StandStill>;  ///< by cookie

/// The last complete walk; shown again, with its age, until the next one.
struct Picture {
  std::map<NetnsId, StateTable> states;
  std::vector<SocketRow> rows;
  std::vector<OwnerTotals> owners;
  std::vector<NetworkTotals> networks;
  std::uint64_t networks_uncounted = 0;  ///< sockets that are in none of them for want of room
  std::vector<CgroupTotals> cgroups;
  GroupNames group_names;
  std::vector<PortTotals> ports;
  std::vector<PortUse> port_use;
  TcpMemory memory;
  std::uint64_t walked = 0, rows_suppressed = 0, owners_suppressed = 0, unaggregated = 0, undecodable = 0;
  bool quiet_unlisted = false;  ///< connections without a row carried nothing when they were looked at
  std::uint64_t dumps_interrupted = 0, destinations_uncounted = 0;
  std::map<NetnsId, std::string> failed;  ///< namespaces whose walk failed, and why
  StandStills without_descriptor;         ///< sockets with a file that no process was seen to hold
  /// With a pid namespace of our own: our numbers of processes by those of the first one, which the hooks note.
  std::optional<std::unordered_map<Pid, Pid>> our_pids;
  double wall_ms = 0;
  std::uint64_t end_ms = 0;

  std::string why_partial() const;  ///< empty when complete
};

/// Of each list of totals the largest are kept, by number of sockets: their number is in other people's hands.
inline constexpr std::size_t kMaxPorts = 4'096, kMaxCgroups = 4'096, kMaxOwners = 16'384;

/// Where the owners come from this time.
struct OwnerEvidence {
  std::optional<kernel::OwnerWalk> walk;     ///< by cookie, totals included
  const sources::OwnerScan* scan = nullptr;  ///< by inode
  NetworkTally networks;                     ///< made from `scan` while the sockets were read
  OwnerTable totals;                         ///< made from `scan` while the sockets were read; empty: from the rows
  KinOf kin_of;                              ///< for `scan`; the walk brings its own
  bool sees_all = false;                     ///< all processes of the host and all their descriptors were looked at
  bool sees_inside = false;                  ///< the same of our pid namespace, which is not the host's first
  const StandStills* without_descriptor = nullptr;  ///< of the walk before
};

/// `rows` are those of all namespaces.
Picture join(std::vector<NetnsReading>& readings, std::vector<SocketRow> rows, OwnerEvidence owners,
             const kernel::RowFilter& filter);

}  // namespace tcpadvisor::collect
