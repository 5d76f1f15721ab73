// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/past.h"

#include <algorithm>
#include <map>
#include <utility>

namespace tcpadvisor {
namespace {

constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ull + (hash << 6) + (hash >> 2);
  hash *= 0xff51afd7ed558ccdull;
  return hash ^ (hash >> 33);
}

std::uint64_t mix(std::uint64_t hash, const Endpoint& end) {
  for (std::size_t i = 0; i < end.ip.size(); i += 8) {
    std::uint64_t word = 0;
    for (std::size_t k = 0; k < 8; ++k) word = word << 8 | end.ip[i + k];
    hash = mix(hash, word);
  }
  return mix(hash, end.port);
}

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (char c : text) hash = mix(hash, static_cast<unsigned char>(c));
  return hash;
}

std::uint64_t group_key(const Group& group, TcpState state) {
  return mix(mix(mix(mix(5, group.pid.has_value()), group.pid.value_or(0)), group.netns), index_of(state));
}

/// ESTABLISHED sockets and listeners stay: how many of them one process has is no story.
bool passes_through(TcpState state) {
  return state != TcpState::established && state != TcpState::listen;
}

/// The persist timer runs only while data waits and the peer has no room for it (net/ipv4/tcp_timer.c).
std::optional<bool> peer_closed_window(const SocketRow& row) {
  if (row.timer == Timer::persist) return true;
  if (!row.snd_wnd) return std::nullopt;
  return *row.snd_wnd == 0;
}

constexpr std::uint32_t kLongAgoMs = 60'000;

std::optional<std::uint32_t> at_most(std::optional<std::uint32_t> value, std::uint32_t most) {
  return value ? std::optional(std::min(*value, most)) : std::nullopt;
}

PastRow past_row(const SocketRow& row, std::uint64_t mono_ms, const PastTick* before) {
  PastRow out{.key = past_key(row),
              .since_ms = mono_ms,
              .bytes_acked = row.bytes_acked,
              .bytes_received = row.bytes_received,
              .busy_us = row.busy_us,
              .rwnd_limited_us = row.rwnd_limited_us,
              .sndbuf_limited_us = row.sndbuf_limited_us,
              .recv_q = *Maybe<std::uint32_t>(row.recv_q),
              .rcvbuf = row.rcvbuf,
              .rmem_alloc = row.rmem_alloc,
              .rcv_wnd = row.rcv_wnd,
              .drops = row.drops,
              .accept_queue = row.accept_queue,
              .accept_limit = row.accept_limit,
              .srtt_us = row.srtt_us,
              .rcv_rtt_us = row.rcv_rtt_us,
              .snd_wnd = row.snd_wnd,
              .snd_cwnd = row.snd_cwnd,
              .not_sent = row.not_sent,
              .sndbuf = row.sndbuf,
              .data_segs_out = row.data_segs_out,
              .data_segs_in = row.data_segs_in,
              .total_retrans = row.total_retrans,
              .dsack_dups = row.dsack_dups,
              .ooo_segs = row.ooo_segs,
              .sent_ms_ago = at_most(row.last_data_sent_ms, kLongAgoMs),
              .send_q = *Maybe<std::uint32_t>(row.send_q),
              .state = row.state,
              .scaling_ratio = row.scaling_ratio,
              .app_limited = row.app_limited,
              .peer_closed_window = peer_closed_window(row)};
  const PastRow* then = before == nullptr ? nullptr : before->rows.find(out.key);
  if (then != nullptr && then->state == row.state) out.since_ms = std::min(then->since_ms, mono_ms);
  return out;
}

PastQueue past_queue(const UserQueue& queue) {
  return {.key = past_key(queue),
          .queued = queue.queued,
          .high = queue.high,
          .low = queue.low,
          .accepted = queue.accepted,
          .bypassed = queue.bypassed,
          .dropped = queue.dropped,
          .waiting = queue.waiting,
          .suspended = queue.suspended,
          .busy = queue.busy,
          .message_busy = queue.message_busy,
          .pending_shutdown = queue.pending_shutdown,
          .ended = queue.ended};
}

std::vector<PastGroup> groups_of(const Sample& sample) {
  std::map<std::uint64_t, std::uint64_t> counts;
  for (const SocketRow& row : sample.sockets) {
    if (!passes_through(row.state)) continue;
    if (std::optional<Group> group = group_of(row)) ++counts[group_key(*group, row.state)];
  }
  std::vector<PastGroup> out;
  out.reserve(counts.size());
  for (const auto& [key, count] : counts) out.push_back({key, count});
  return out;
}

bool same_names(const PastNetns* other, const Counters& counters) {
  return other != nullptr &&
         std::ranges::equal(*other->names, counters, {}, {}, [](const auto& counter) { return counter.first; });
}

PastNetns past_netns(const NetnsSample& netns, const PastNetns* before, const PastNetns* neighbour) {
  PastNetns out{.id = netns.id, .names = {}, .values = {}, .conntrack = {}};
  if (netns.conntrack) out.conntrack = netns.conntrack->count;
  if (same_names(before, netns.counters)) {
    out.names = before->names;
  } else if (same_names(neighbour, netns.counters)) {
    out.names = neighbour->names;
  } else {
    std::vector<std::string> names;
    for (const auto& [name, value] : netns.counters) names.push_back(name);
    out.names = std::make_shared<const std::vector<std::string>>(std::move(names));
  }
  std::vector<std::uint64_t> values;
  values.reserve(netns.counters.size());
  for (const auto& [name, value] : netns.counters) values.push_back(value);
  bool same = before != nullptr && out.names == before->names && values == *before->values;
  out.values = same ? before->values : std::make_shared<const std::vector<std::uint64_t>>(std::move(values));
  return out;
}

std::vector<PastNetns> all_netns(const Sample& sample, const PastTick* before) {
  std::vector<PastNetns> out;
  out.reserve(sample.netns.size());
  for (const NetnsSample& netns : sample.netns) {
    const PastNetns* then = before == nullptr ? nullptr : before->find_netns(netns.id);
    out.push_back(past_netns(netns, then, out.empty() ? nullptr : &out.back()));
  }
  std::ranges::stable_sort(out, {}, &PastNetns::id);
  return out;
}

}  // namespace

std::uint64_t past_key(const SocketRow& row) {
  if (row.cookie != 0) return mix(1, row.cookie);
  return mix(mix(mix(mix(2, row.netns), row.local), row.remote), row.inode);
}

std::uint64_t past_key(const OwnerTotals& owner) {
  return mix(mix(3, owner.pid), owner.comm);
}

std::uint64_t past_key(const UserQueue& queue) {
  return mix(mix(mix(mix(4, queue.pid), queue.netns), queue.local), queue.remote);
}

std::uint64_t past_key(const CgroupTotals& cgroup) {
  return mix(mix(6, cgroup.id), cgroup.path);
}

std::uint64_t past_key(const Retransmits& retransmits) {
  return mix(mix(7, retransmits.netns), retransmits.destination);
}

std::uint64_t past_key(const Drops& drops) {
  const std::uint64_t where = mix(mix(mix(8, drops.netns), drops.peer), drops.port);
  return mix(mix(mix(where, drops.outgoing ? 1 : 0), drops.reason), drops.function);
}

std::optional<Group> group_of(const SocketRow& row) {
  bool held = row.holder == Holder::process || row.holder == Holder::no_descriptor || row.holder == Holder::outside ||
              (row.holder == Holder::unknown && row.inode != 0);
  if (!held) return std::nullopt;
  if (row.owner) return Group{.pid = row.owner->pid, .netns = 0};
  return Group{.pid = std::nullopt, .netns = row.netns};
}

std::optional<std::uint64_t> PastNetns::counter(std::string_view name) const {
  auto found = std::ranges::lower_bound(*names, name);
  if (found == names->end() || *found != name) return std::nullopt;
  return (*values)[static_cast<std::size_t>(found - names->begin())];
}

const PastNetns* PastTick::find_netns(NetnsId id) const {
  auto found = std::ranges::lower_bound(netns, id, {}, &PastNetns::id);
  return found != netns.end() && found->id == id ? &*found : nullptr;
}

std::uint64_t PastTick::count_of(const Group& group, TcpState state) const {
  const PastGroup* found = groups.find(group_key(group, state));
  return found == nullptr ? 0 : found->count;
}

PastTick past_of(const Sample& sample, const PastTick* before) {
  PastTick out;
  out.number = before == nullptr ? 0 : before->number + 1;
  out.mono_ms = sample.mono_ms;
  out.wall_ms = sample.wall_ms;
  out.memory = sample.memory;
  out.refusals = sample.refusals;
  for (const NetnsSample& netns : sample.netns) {
    for (std::size_t state = 1; state < kStateCount; ++state) out.states[state] += netns.states[state].count;
  }
  for (const OwnerTotals& owner : sample.owners) {
    for (std::size_t state = 1; state < kStateCount; ++state) out.held[state] += owner.sockets[state];
  }
  out.netns = all_netns(sample, before);

  static const PastTick kNone;
  const PastTick& then = before == nullptr ? kNone : *before;
  std::vector<PastRow> rows;
  rows.reserve(sample.sockets.size());
  for (const SocketRow& row : sample.sockets) rows.push_back(past_row(row, sample.mono_ms, before));
  out.rows = {rows, then.rows};
  out.groups = {groups_of(sample), then.groups};
  std::vector<PastOwner> owners;
  owners.reserve(sample.owners.size());
  for (const OwnerTotals& owner : sample.owners) {
    owners.push_back({.key = past_key(owner),
                      .rss_bytes = owner.rss_bytes,
                      .sockets = owner.sockets,
                      .old_close_wait = owner.old_close_wait,
                      .fds = owner.fds,
                      .process_state = owner.process_state});
  }
  out.owners = {owners, then.owners};
  std::vector<PastQueue> queues;
  queues.reserve(sample.user_queues.size());
  for (const UserQueue& queue : sample.user_queues) queues.push_back(past_queue(queue));
  out.queues = {queues, then.queues};
  std::vector<PastCgroup> cgroups;
  for (const CgroupTotals& cgroup : sample.cgroups) {
    if (!cgroup.sock_bytes && !cgroup.memory_current && !cgroup.events_max) continue;  // nothing was read about it
    cgroups.push_back({.key = past_key(cgroup),
                       .sock_bytes = cgroup.sock_bytes,
                       .memory_current = cgroup.memory_current,
                       .events_max = cgroup.events_max,
                       .events_high = cgroup.events_high});
  }
  out.cgroups = {cgroups, then.cgroups};
  std::vector<PastRetransmits> retransmits;
  retransmits.reserve(sample.retransmits.size());
  for (const Retransmits& one : sample.retransmits) {
    retransmits.push_back({.key = past_key(one), .segments = one.segments});
  }
  out.retransmits = {retransmits, then.retransmits};
  std::vector<PastDrops> drops;
  drops.reserve(sample.drops.size());
  for (const Drops& one : sample.drops) drops.push_back({.key = past_key(one), .segments = one.segments});
  out.drops = {drops, then.drops};
  out.softnet = sample.softnet;
  out.host_pressure = sample.host_pressure;
  return out;
}

std::size_t bytes_beside(const PastTick& tick, const PastTick* before) {
  static const PastTick kNone;
  const PastTick& then = before == nullptr ? kNone : *before;
  std::size_t bytes =
      sizeof(PastTick) + tick.netns.capacity() * sizeof(PastNetns) + tick.softnet.capacity() * sizeof(Softnet);
  for (const PastNetns& netns : tick.netns) {
    const PastNetns* same = then.find_netns(netns.id);
    if (same == nullptr || same->values != netns.values) bytes += netns.values->capacity() * sizeof(std::uint64_t);
    if (same == nullptr || same->names != netns.names) bytes += netns.names->capacity() * sizeof(std::string);
  }
  return bytes + tick.rows.bytes_beside(then.rows) + tick.groups.bytes_beside(then.groups) +
         tick.owners.bytes_beside(then.owners) + tick.queues.bytes_beside(then.queues) +
         tick.cgroups.bytes_beside(then.cgroups) + tick.retransmits.bytes_beside(then.retransmits) +
         tick.drops.bytes_beside(then.drops);
}

}  // namespace tcpadvisor
