// SPDX-License-Identifier: Apache-2.0
// What is kept of a tick once the next one has come: about a hundred bytes a socket, under the names that the Sample
// gives them. A rule that wants another number over time adds it here and in past.cc.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/maybe.h"
#include "advisor/evidence/sample.h"
#include "advisor/evidence/shared_table.h"

namespace tcpadvisor {

/// Sockets are known by their cookie, those without one by addresses and inode; processes by pid and name, because pids
/// are used again; a program's queue by speaker and connection, a cgroup by its path.
std::uint64_t past_key(const SocketRow& row);
std::uint64_t past_key(const OwnerTotals& owner);
std::uint64_t past_key(const UserQueue& queue);
std::uint64_t past_key(const CgroupTotals& cgroup);
std::uint64_t past_key(const Retransmits& retransmits);
std::uint64_t past_key(const Drops& drops);

/// Units as in SocketRow. The kernel keeps these sizes in 32 bits; what is larger counts as the largest.
struct PastRow {
  std::uint64_t key = 0;
  std::uint64_t since_ms = 0;  ///< Sample::mono_ms of the first tick that saw it in this state, without a gap
  Maybe<std::uint64_t> bytes_acked, bytes_received;
  Maybe<std::uint64_t> busy_us, rwnd_limited_us, sndbuf_limited_us;
  std::uint32_t recv_q = 0;
  Maybe<std::uint32_t> rcvbuf, rmem_alloc, rcv_wnd, drops;
  Maybe<std::uint32_t> accept_queue, accept_limit;
  Maybe<std::uint32_t> srtt_us, rcv_rtt_us;
  Maybe<std::uint32_t> snd_wnd, snd_cwnd, not_sent, sndbuf;
  Maybe<std::uint32_t> data_segs_out, data_segs_in, total_retrans, dsack_dups, ooo_segs;
  Maybe<std::uint32_t> sent_ms_ago;  ///< last_data_sent_ms, a minute at most: a row that rests stays the same
  std::uint32_t send_q = 0;
  TcpState state = TcpState::established;
  std::optional<std::uint8_t> scaling_ratio;
  std::optional<bool> app_limited;
  std::optional<bool> peer_closed_window;  ///< the peer takes nothing now: its window is 0, or the kernel probes it
  bool operator==(const PastRow&) const = default;
};

struct PastQueue {
  std::uint64_t key = 0;
  std::uint64_t queued = 0;
  Maybe<std::uint64_t> high, low, accepted, bypassed, dropped;
  Maybe<std::uint32_t> waiting, suspended;
  std::optional<bool> busy, message_busy, pending_shutdown;
  bool ended = false;
  bool operator==(const PastQueue&) const = default;
};

struct PastOwner {
  std::uint64_t key = 0;
  Maybe<std::uint64_t> rss_bytes;
  std::array<std::uint32_t, kStateCount> sockets{};
  std::uint32_t old_close_wait = 0;
  Maybe<std::uint32_t> fds;
  ProcessState process_state = ProcessState::unknown;
  bool operator==(const PastOwner&) const = default;
};

/// How many rows of one process, or of the processes of one namespace that cannot be seen, were in a closing or opening
/// state.
struct PastGroup {
  std::uint64_t key = 0;
  std::uint64_t count = 0;
  bool operator==(const PastGroup&) const = default;
};

struct PastCgroup {
  std::uint64_t key = 0;
  Maybe<std::uint64_t> sock_bytes, memory_current, events_max, events_high;
  bool operator==(const PastCgroup&) const = default;
};

struct PastRetransmits {
  std::uint64_t key = 0;
  RetransmitCounts segments;
  bool operator==(const PastRetransmits&) const = default;
};

struct PastDrops {
  std::uint64_t key = 0;
  std::uint64_t segments = 0;
  bool operator==(const PastDrops&) const = default;
};

/// Counters of one namespace; ticks and namespaces with the same names share them, ticks with the same values those.
struct PastNetns {
  NetnsId id = 0;
  std::shared_ptr<const std::vector<std::string>> names;  ///< sorted
  std::shared_ptr<const std::vector<std::uint64_t>> values;
  Maybe<std::uint64_t> conntrack;  ///< entries
  std::optional<std::uint64_t> counter(std::string_view name) const;
};

/// A process that has rows: its pid, or no pid and the namespace of those that cannot be seen.
struct Group {
  std::optional<Pid> pid;
  NetnsId netns = 0;  ///< 0 with a pid: a process may hold sockets of several namespaces
  auto operator<=>(const Group&) const = default;
};
/// Nothing if no process holds the socket.
std::optional<Group> group_of(const SocketRow& row);

struct PastTick {
  std::uint64_t number = 0;  ///< 0 is the first tick that was ever taken
  std::uint64_t mono_ms = 0;
  std::int64_t wall_ms = 0;
  TcpMemory memory;
  std::optional<BufferRefusals> refusals;
  std::array<std::uint64_t, kStateCount> states{};  ///< sockets by state, of all namespaces
  std::array<std::uint64_t, kStateCount> held{};    ///< descriptors of them, of all processes
  std::vector<PastNetns> netns;                     ///< by id
  SharedTable<PastRow> rows;
  SharedTable<PastGroup> groups;
  SharedTable<PastOwner> owners;
  SharedTable<PastQueue> queues;
  SharedTable<PastCgroup> cgroups;
  SharedTable<PastRetransmits> retransmits;
  SharedTable<PastDrops> drops;
  std::vector<Softnet> softnet;
  std::optional<HostPressure> host_pressure;

  const PastNetns* find_netns(NetnsId id) const;
  const PastRow* find(const SocketRow& row) const { return rows.find(past_key(row)); }
  const PastOwner* find(const OwnerTotals& owner) const { return owners.find(past_key(owner)); }
  const PastCgroup* find(const CgroupTotals& cgroup) const { return cgroups.find(past_key(cgroup)); }
  /// Rows that a process of the group holds in `state`, which is neither ESTABLISHED nor LISTEN.
  std::uint64_t count_of(const Group& group, TcpState state) const;
};

/// `before` is the tick before it, null for the first.
PastTick past_of(const Sample& sample, const PastTick* before);

/// Bytes that this tick holds and the one before does not, about.
std::size_t bytes_beside(const PastTick& tick, const PastTick* before);

}  // namespace tcpadvisor
