// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <span>

#include "advisor/base/managers.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"

namespace tcpadvisor::kernel {
namespace {

constexpr std::uint16_t kFamilyV6 = 10;             // AF_INET6
constexpr std::uint32_t kNoThreshold = 0x7fffffff;  // TCP_INFINITE_SSTHRESH
constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();

std::string text_of(std::span<const char> field) {
  return printable(std::string_view(field.data(), strnlen(field.data(), field.size())));
}

std::uint32_t ms_from(std::uint32_t jiffies, unsigned hz) {
  return static_cast<std::uint32_t>(std::uint64_t{jiffies} * 1000 / hz);
}
std::uint64_t us_from(std::uint32_t jiffies, unsigned hz) {
  return std::uint64_t{jiffies} * 1'000'000 / hz;
}

/// 0 if there is none; what is set is at least 1.
std::uint32_t timeout_ms(std::uint32_t jiffies, unsigned hz) {
  constexpr std::uint32_t kNone = ~0u;
  if (jiffies == kNone) return 0;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(std::uint64_t{jiffies} * 1000 / hz, 1, kMost32));
}

Endpoint endpoint(const abi::ta_u8 (&address)[16], std::uint16_t family, std::uint16_t port) {
  return Endpoint::from_bytes(std::span(address, family == kFamilyV6 ? 16 : 4), port);
}

Endpoint endpoint(const abi::ta_u32 (&address)[4], std::uint16_t port) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), address, bytes.size());
  return Endpoint::from_bytes(bytes, port);
}

Timer timer_of(const abi::ta_row& row) {
  switch (row.icsk_pending) {  // include/net/inet_connection_sock.h
    case 1:
    case 5:
    case 6:
      return Timer::retransmit;
    case 3:
      return Timer::persist;
    default:
      return (row.flags & abi::TA_ROW_KEEPALIVE) != 0 ? Timer::keepalive : Timer::none;
  }
}

CallStats call_stats(std::span<const abi::ta_u32> slots, std::uint32_t last_j, std::uint32_t since_j, unsigned hz) {
  CallStats stats;
  static_assert(kCallSlots == abi::TA_SLOTS);
  std::ranges::copy(slots, stats.slots.begin());
  if (last_j != 0) stats.last_ms_ago = ms_from(since_j, hz);
  return stats;
}

void decode_tcp(const abi::ta_row& row, unsigned hz, SocketRow& out) {
  out.bytes_sent = row.bytes_sent;
  out.bytes_retrans = row.bytes_retrans;
  // The kernel's count takes SYN and FIN for a byte each; what is acknowledged cannot be more than what was sent and is
  // not in flight.
  std::uint64_t in_flight = row.send_q > row.not_sent ? row.send_q - row.not_sent : 0;
  std::uint64_t sent_once = row.bytes_sent - std::min(row.bytes_sent, row.bytes_retrans);
  out.bytes_acked = std::min<std::uint64_t>(row.bytes_acked, sent_once - std::min(sent_once, in_flight));
  out.bytes_received = row.bytes_received;
  out.snd_wnd = row.snd_wnd;
  out.rcv_wnd = row.rcv_wnd;
  out.snd_cwnd = row.snd_cwnd;
  out.mss = row.mss;
  if (row.srtt_us8 != 0) out.srtt_us = row.srtt_us8 >> 3;
  if (row.min_rtt_us != std::numeric_limits<std::uint32_t>::max()) out.min_rtt_us = row.min_rtt_us;
  if (row.rcv_rtt_us8 != 0) out.rcv_rtt_us = row.rcv_rtt_us8 >> 3;
  out.snd_wscale = row.snd_wscale;
  out.rcv_wscale = row.rcv_wscale;
  out.busy_us = us_from(row.chrono_busy_j, hz);
  out.rwnd_limited_us = us_from(row.chrono_rwnd_j, hz);
  out.sndbuf_limited_us = us_from(row.chrono_sndbuf_j, hz);
  if (row.bytes_sent != 0) out.last_data_sent_ms = ms_from(row.last_sent_j, hz);
  if (row.bytes_received != 0) out.last_data_recv_ms = ms_from(row.last_recv_j, hz);
  out.last_ack_recv_ms = ms_from(row.last_ack_j, hz);
  out.total_retrans = row.total_retrans;
  out.unacked_segs = row.packets_out;
  out.lost_segs = row.lost_out;
  out.data_segs_out = row.data_segs_out;
  out.data_segs_in = row.data_segs_in;
  out.delivered_segs = row.delivered;
  if (row.snd_ssthresh < kNoThreshold) out.ssthresh = row.snd_ssthresh;
  out.rto_us = static_cast<std::uint32_t>(std::min<std::uint64_t>(us_from(row.rto_j, hz), kMost32));
  out.dsack_dups = row.dsack_dups;
  out.reord_seen = row.reord_seen;
  out.ooo_segs = row.rcv_ooopack;
  out.pmtu = row.pmtu;
  out.advmss = row.advmss;
  bool paced = row.pacing_rate != ~abi::ta_u64{0} && row.pacing_rate != kMost32;  // ~0 as it is, or cut to 32 bits
  if (paced) out.pacing_rate = row.pacing_rate;
  out.paced = paced && (row.flags & abi::TA_ROW_PACED) != 0;
  if (static_cast<std::int32_t>(row.wmem_alloc) >= 0) out.wmem_alloc = row.wmem_alloc;
  if (row.rate_interval_us != 0) {  // tcp_compute_delivery_rate(), net/ipv4/tcp.c
    out.delivery_rate = mul_sat(std::uint64_t{row.rate_delivered} * row.mss, 1'000'000) / row.rate_interval_us;
  }
  out.cwnd_limited = (row.flags & abi::TA_ROW_CWND_LIMITED) != 0;
  out.nodelay = (row.nonagle & 1) != 0;
  out.cork = (row.nonagle & 2) != 0;
  out.keepalive = (row.flags & abi::TA_ROW_KEEPOPEN) != 0;
  if ((row.flags & abi::TA_ROW_LINGER) != 0) out.linger_ms = ms_from(row.linger_j, hz);
  out.rcvlowat = row.rcvlowat;
  out.user_timeout_ms = row.user_timeout_ms;
  out.send_timeout_ms = timeout_ms(row.send_timeout_j, hz);
  out.recv_timeout_ms = timeout_ms(row.recv_timeout_j, hz);
  out.probes_out = row.probes_out;
  out.backoff = row.backoff;
  if ((row.flags & abi::TA_ROW_HAS_SCALING) != 0) out.scaling_ratio = row.scaling_ratio;
  out.app_limited = (row.flags & abi::TA_ROW_APP_LIMITED) != 0;
  out.timer = timer_of(row);
  out.congestion_control = text_of(row.ca_name);
}

void add(const TimeoutTotals& more, TimeoutTotals& sums) {
  sums.looked = add_sat(sums.looked, more.looked);
  sums.keepalive = add_sat(sums.keepalive, more.keepalive);
  sums.user_timeout = add_sat(sums.user_timeout, more.user_timeout);
  sums.send_timeout = add_sat(sums.send_timeout, more.send_timeout);
  sums.recv_timeout = add_sat(sums.recv_timeout, more.recv_timeout);
  sums.none = add_sat(sums.none, more.none);
  for (std::size_t slot = 0; slot < sums.none_idle.size(); ++slot)
    sums.none_idle[slot] = add_sat(sums.none_idle[slot], more.none_idle[slot]);
}

/// Threads of one process with tables of descriptors of their own.
void add(const OwnerTotals& more, OwnerTotals& owner) {
  owner.fds = add_sat(owner.fds.value_or(0), more.fds.value_or(0));
  for (std::size_t state = 0; state < kStateCount; ++state)
    owner.sockets[state] = add_sat(owner.sockets[state], more.sockets[state]);
  owner.old_close_wait = add_sat(owner.old_close_wait, more.old_close_wait);
  owner.old_fin_wait_2 = add_sat(owner.old_fin_wait_2, more.old_fin_wait_2);
  owner.recv_q = add_sat(owner.recv_q, more.recv_q);
  owner.send_q = add_sat(owner.send_q, more.send_q);
  owner.rmem = add_sat(owner.rmem, more.rmem);
  owner.wmem = add_sat(owner.wmem, more.wmem);
  if (more.timeouts) add(*more.timeouts, owner.timeouts.emplace(owner.timeouts.value_or(TimeoutTotals{})));
}

}  // namespace

unsigned jiffies_per_second(std::uint64_t jiffies64, std::uint64_t monotonic_ns) {
  static constexpr std::array<unsigned, 4> kRates = {100, 250, 300, 1000};
  double seconds = static_cast<double>(monotonic_ns) / 1e9;
  auto distance = [&](unsigned hz) {
    auto initial = static_cast<std::uint32_t>(-300 * static_cast<int>(hz));
    double measured = static_cast<double>(static_cast<std::int64_t>(jiffies64 - initial)) / seconds;
    return std::abs(measured - hz) / hz;
  };
  return *std::ranges::min_element(kRates, {}, distance);
}

SocketRow decode_row(const abi::ta_row& row, unsigned hz) {
  SocketRow out;
  out.cookie = row.cookie;
  out.local = endpoint(row.local, row.family, row.local_port);
  out.remote = endpoint(row.remote, row.family, row.remote_port);
  out.state = tcp_state_from(row.state).value_or(TcpState::close);
  out.kind = row.kind == abi::TA_KIND_TIMEWAIT  ? SocketKind::timewait
             : row.kind == abi::TA_KIND_REQUEST ? SocketKind::request
                                                : SocketKind::full;
  out.holder = row.holder == abi::TA_HOLDER_ORPHAN       ? Holder::orphan
               : row.holder == abi::TA_HOLDER_UNACCEPTED ? Holder::unaccepted
               : row.holder == abi::TA_HOLDER_KERNEL     ? Holder::kernel
                                                         : Holder::process;
  if (out.kind == SocketKind::timewait) {
    out.timer = Timer::timewait;
    return out;
  }
  out.inode = row.inode;
  out.mptcp = (row.flags & abi::TA_ROW_MPTCP) != 0;
  out.cgroup_id = row.cgroup_id;
  out.uid = row.uid;
  out.recv_q = row.recv_q;
  out.send_q = row.send_q;
  out.not_sent = row.not_sent;
  out.rcvbuf = row.rcvbuf;
  out.sndbuf = row.sndbuf;
  out.rmem_alloc = row.rmem_alloc;
  out.wmem_queued = row.wmem_queued;
  out.fwd_alloc = row.fwd_alloc;
  out.backlog_bytes = row.backlog_bytes;
  out.drops = row.drops;
  out.locks = BufferLocks{.sndbuf = (row.locks & 1) != 0, .rcvbuf = (row.locks & 2) != 0};
  out.nospace = (row.flags & abi::TA_ROW_NOSPACE) != 0;
  const bool kept = (row.flags & abi::TA_ROW_HAS_SOCK) != 0;
  if (out.state == TcpState::listen) {
    out.accept_queue = row.accept_queue;
    out.accept_limit = row.accept_limit;
    if (kept && row.sock.accept_peak != 0) out.accept_peak = row.sock.accept_peak;
    return out;
  }
  decode_tcp(row, hz, out);
  if (row.state_ns != 0) {
    out.state_age_ms = row.state_ns / 1'000'000;
  } else if (out.state == TcpState::close_wait || out.state == TcpState::fin_wait_2) {
    out.state_age_ms = out.last_ack_recv_ms;  // both states begin with a segment from the peer
    out.state_age_is_lower_bound = true;
  }
  if (kept) {
    SocketCalls calls;
    calls.send = call_stats(row.sock.send, row.sock.last_send_j, row.since_send_j, hz);
    calls.recv = call_stats(row.sock.recv, row.sock.last_recv_j, row.since_recv_j, hz);
    calls.small_write_runs = row.sock.small_runs;
    out.calls = calls;
    if (row.sock.tgid != 0) out.last_user = LastUser{.pid = row.sock.tgid, .comm = text_of(row.sock.comm)};
    out.blocked_us = row.sock.blocked_ns / 1000;
    out.blocked_count = row.sock.blocked_count;
  }
  return out;
}

StateTotals decode_sums(const abi::ta_sums& sums) {
  return {sums.count, sums.recv_q, sums.send_q, sums.rmem, sums.wmem};
}

OwnerTotals decode_owner(const abi::ta_owner& owner) {
  OwnerTotals out;
  out.pid = owner.pid;
  out.parent = owner.parent;
  out.pid_inside = owner.inner;
  out.comm = text_of(owner.comm);
  out.cgroup_id = owner.cgroup_id;
  out.netns = owner.netns;
  out.fds = owner.fds;
  out.fd_limit = owner.fd_limit;
  static_assert(kStateCount == abi::TA_STATES);
  std::ranges::copy(owner.sockets, out.sockets.begin());
  out.old_close_wait = owner.old_close_wait;
  out.old_fin_wait_2 = owner.old_fin_wait_2;
  out.recv_q = owner.recv_q;
  out.send_q = owner.send_q;
  out.rmem = owner.rmem;
  out.wmem = owner.wmem;
  const abi::ta_timeouts& timeouts = owner.timeouts;
  static_assert(kIdleSlotEndsMs.size() + 1 == abi::TA_IDLE_SLOTS);
  out.timeouts = TimeoutTotals{.looked = timeouts.looked,
                               .keepalive = timeouts.keepalive,
                               .user_timeout = timeouts.user_timeout,
                               .send_timeout = timeouts.send_timeout,
                               .recv_timeout = timeouts.recv_timeout,
                               .none = timeouts.none};
  std::ranges::copy(timeouts.none_idle, out.timeouts->none_idle.begin());
  return out;
}

os::Descriptor decode_held(const abi::ta_held& held) {
  return {.socket = held.cookie != 0 ? held.cookie : held.inode, .pid = held.pid, .fd = static_cast<int>(held.fd)};
}

PortTotals decode_port(const abi::ta_port& port) {
  PortTotals out;
  out.port = port.port;
  std::ranges::copy(port.sockets, out.sockets.begin());
  out.unaccepted_close_wait = port.unaccepted_close_wait;
  out.recv_q = port.recv_q;
  out.send_q = port.send_q;
  return out;
}

CgroupTotals decode_cgroup(const abi::ta_cgroup& group) {
  CgroupTotals out;
  out.id = group.id;
  out.sockets = group.sums.count;
  out.recv_q = group.sums.recv_q;
  out.send_q = group.sums.send_q;
  out.rmem = group.sums.rmem;
  out.wmem = group.sums.wmem;
  return out;
}

PortUse decode_destination(const abi::ta_destination& destination) {
  PortUse out;
  out.source = endpoint(destination.pair.source, 0);
  out.destination = endpoint(destination.pair.destination, static_cast<std::uint16_t>(destination.pair.port));
  out.used = destination.used;
  out.timewait = std::min(destination.timewait, destination.used);
  return out;
}

namespace {

/// Whether the ports were chosen by bind() before connect(). Those that were accepted on a port whose listener has gone
/// have that one port, and their peers have ports of their own, one each.
bool leads_to_a_service(const abi::ta_towards& towards, const abi::ta_destination& slot) {
  constexpr std::uint32_t kSeveral = 8;
  return slot.bound >= kSeveral || slot.pair.port < towards.low || slot.pair.port > towards.high;
}

/// Ports that bind() chose, per address: each is that address' only one, towards whatever destination.
std::vector<PortUse> bound_ports(const abi::ta_towards& towards, std::span<const abi::ta_destination* const> slots) {
  std::map<Endpoint, PortUse> of_source;
  for (const abi::ta_destination* slot : slots) {
    if (slot->bound == 0 || !leads_to_a_service(towards, *slot)) continue;
    PortUse& use = of_source[endpoint(slot->pair.source, 0)];
    use.used += slot->bound;
    use.timewait += std::min(slot->bound_timewait, slot->bound);
  }
  std::vector<PortUse> out;
  for (auto& [source, use] : of_source) {
    use.source = source;
    out.push_back(use);
  }
  return out;
}

}  // namespace

std::vector<PortUse> decode_towards(const abi::ta_towards& towards, std::size_t most) {
  std::vector<const abi::ta_destination*> slots;
  for (std::size_t i = 0; i < std::min<std::size_t>(towards.count, abi::TA_DESTINATIONS); ++i)
    slots.push_back(&towards.slot[towards.filled[i] % abi::TA_DESTINATIONS]);
  std::vector<PortUse> bound = bound_ports(towards, slots);
  const std::size_t room = most;
  most = std::min(most, slots.size());
  auto more = [](const abi::ta_destination* a, const abi::ta_destination* b) {
    return a->used != b->used ? a->used > b->used : std::memcmp(&a->pair, &b->pair, sizeof a->pair) < 0;
  };
  std::ranges::partial_sort(slots, slots.begin() + static_cast<std::ptrdiff_t>(most), more);
  std::vector<PortUse> out;
  for (const abi::ta_destination* slot : std::span(slots).first(most)) out.push_back(decode_destination(*slot));
  out.insert(out.end(), bound.begin(), bound.end());
  std::ranges::sort(out, [](const PortUse& a, const PortUse& b) { return a.used != b.used ? a.used > b.used : a < b; });
  out.resize(std::min(out.size(), room));
  return out;
}

NetworkTotals decode_network(const abi::ta_network& network, unsigned hz) {
  const abi::ta_network_key& key = network.key;
  NetworkTotals out;
  out.netns = key.netns;
  out.pid = key.pid;
  out.accepted = key.accepted != 0;
  out.port = key.port;
  out.elsewhere = key.width == abi::TA_NETWORK_ANY;
  if (!out.elsewhere) {
    out.network.v6 = key.width == abi::TA_NETWORK_V6;
    std::memcpy(out.network.ip.data(), key.prefix, out.network.v6 ? 8 : 4);
  }
  std::ranges::copy(network.sockets, out.sockets.begin());
  out.recv_q = network.recv_q;
  out.send_q = network.send_q;
  out.rmem = network.rmem;
  out.wmem = network.wmem;
  out.looked = network.looked;
  out.keepalive = network.keepalive;
  out.nodelay = network.nodelay;
  std::ranges::copy(network.idle, out.idle.begin());
  std::ranges::copy(network.silent, out.silent.begin());
  out.fwd_alloc = network.fwd_alloc;
  out.bytes_sent = network.bytes_sent;
  out.bytes_received = network.bytes_received;
  out.busy_us = us_from(network.busy_j, hz);
  out.rwnd_limited_us = us_from(network.rwnd_j, hz);
  out.sndbuf_limited_us = us_from(network.sndbuf_j, hz);
  out.resting_bytes = network.resting_bytes;
  out.resting_rcvbuf = network.resting_rcvbuf;
  return out;
}

std::vector<NetworkTotals> decode_networks(const abi::ta_networks& networks, unsigned hz) {
  std::vector<NetworkTotals> out;
  const std::size_t count = std::min<std::size_t>(networks.count, abi::TA_NETWORKS);
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(decode_network(networks.slot[networks.filled[i] % abi::TA_NETWORKS], hz));
  return out;
}

FailedConnects decode_connect(const abi::ta_connect_key& key, const abi::ta_connect& failed, std::uint64_t now_ns) {
  static_assert(static_cast<unsigned>(ConnectEnd::other) == abi::TA_CONNECT_OTHER);
  FailedConnects out;
  out.netns = key.netns;
  out.pid = key.tgid;
  out.comm = text_of(failed.comm);
  out.destination = endpoint(key.destination, key.port);
  out.end = static_cast<ConnectEnd>(std::min<unsigned>(key.end, abi::TA_CONNECT_OTHER));
  out.count = failed.count;
  out.last_ms_ago = now_ns > failed.last_ns ? (now_ns - failed.last_ns) / 1'000'000 : 0;
  out.waited_ms = failed.waited_ns / 1'000'000;
  return out;
}

Retransmits decode_retransmits(const abi::ta_peer_key& key, const abi::ta_retransmits& sent, std::uint64_t now_ns) {
  static_assert(kRetransmitKinds.size() == abi::TA_RETRANSMIT_KINDS);
  Retransmits out;
  out.netns = key.netns;
  out.destination = endpoint(key.address, 0);
  for (std::size_t kind = 0; kind < kRetransmitKinds.size(); ++kind)
    out.segments.*kRetransmitKinds[kind] = sent.segments[kind];
  out.last_ms_ago = now_ns > sent.last_ns ? (now_ns - sent.last_ns) / 1'000'000 : 0;
  return out;
}

namespace {

/// As end_clump() in bpf/lifecycle.bpf.c.
void end_clump(abi::ta_closer& all) {
  const abi::ta_clump& now = all.now;
  if (now.closes < abi::TA_CLUMP_LEAST || now.last_ns - now.first_ns > TA_CLUMP_SPAN_NS) return;
  ++all.clumps;
  all.gathered += now.closes;
  all.largest = std::max<std::uint64_t>(all.largest, now.closes);
  all.elsewhere += now.elsewhere;
  all.min_age_j += now.min_age_j;
  all.max_age_j += now.max_age_j;
  all.min_quiet_j += now.min_quiet_j;
  all.max_quiet_j += now.max_quiet_j;
  all.quiet_j += now.quiet_j;
  all.used_j += now.used_j;
}

}  // namespace

Closes decode_closer(std::uint32_t tgid, abi::ta_closer closer, std::uint64_t now_ns, unsigned hz) {
  const std::uint64_t ago_ns = now_ns > closer.last_ns ? now_ns - closer.last_ns : 0;
  if (ago_ns > TA_CLUMP_GAP_NS) end_clump(closer);
  Closes out;
  out.netns = closer.netns;
  out.pid = tgid;
  out.comm = text_of(closer.comm);
  out.count = closer.closes;
  out.resets = closer.resets;
  out.lost = closer.lost;
  out.lost_bytes = closer.lost_bytes;
  out.since_ms = closer.last_ns > closer.first_ns ? (closer.last_ns - closer.first_ns) / 1'000'000 : 0;
  out.last_ms_ago = ago_ns / 1'000'000;
  out.clumps = closer.clumps;
  out.gathered = closer.gathered;
  out.largest = closer.largest;
  out.destination = endpoint(closer.destination, static_cast<std::uint16_t>(closer.port));
  out.elsewhere = closer.elsewhere;
  auto mean_ms = [hz](std::uint64_t jiffies, std::uint64_t of) {
    return of > 0 ? static_cast<double>(jiffies) / static_cast<double>(of) * 1e3 / hz : 0.0;
  };
  out.quiet_ms = mean_ms(closer.quiet_j, closer.gathered);
  out.used_ms = mean_ms(closer.used_j, closer.gathered);
  out.youngest_ms = mean_ms(closer.min_age_j, closer.clumps);
  out.oldest_ms = mean_ms(closer.max_age_j, closer.clumps);
  out.shortest_quiet_ms = mean_ms(closer.min_quiet_j, closer.clumps);
  out.quietest_ms = mean_ms(closer.max_quiet_j, closer.clumps);
  return out;
}

TcpMemory decode_memory(const abi::ta_walk& walk, std::uint64_t page_size, unsigned hz) {
  TcpMemory memory;
  memory.page_size = page_size;
  if (walk.mem_known == 0) return memory;
  memory.pages = static_cast<std::uint64_t>(std::max<std::int64_t>(0, static_cast<std::int64_t>(walk.mem_pages)));
  memory.limits_pages = {walk.mem_limit[0], walk.mem_limit[1], walk.mem_limit[2]};
  memory.under_pressure = walk.pressure_j != 0;
  if (walk.pressure_j != 0) memory.pressure_ms = (walk.now_j - walk.pressure_j) * 1000 / hz;
  return memory;
}

Status decode_rows(std::span<const std::byte> bytes, unsigned hz, const TakeRow& take) {
  if (bytes.size() % sizeof(abi::ta_row) != 0) {
    return fail(ErrorCode::failed,
                fmt::format("socket walk: {} bytes are not whole records of {}", bytes.size(), sizeof(abi::ta_row)));
  }
  for (; !bytes.empty(); bytes = bytes.subspan(sizeof(abi::ta_row))) {
    abi::ta_row row;
    std::memcpy(&row, bytes.data(), sizeof row);
    bool looked = (row.flags & abi::TA_ROW_LOOKED) != 0;
    take(decode_row(row, hz), looked ? std::optional<Spot>(row.spot) : std::nullopt);
  }
  return {};
}

Result<OwnerWalk> decode_files(std::span<const std::byte> bytes) {
  OwnerWalk out;
  std::unordered_map<Pid, std::size_t> places;
  while (!bytes.empty()) {
    std::uint32_t kind = 0;
    if (bytes.size() >= sizeof kind) std::memcpy(&kind, bytes.data(), sizeof kind);
    if (kind == abi::TA_RECORD_OWNER && bytes.size() >= sizeof(abi::ta_owner)) {
      abi::ta_owner owner;
      std::memcpy(&owner, bytes.data(), sizeof owner);
      auto [at, is_new] = places.emplace(owner.pid, out.owners.size());
      if (is_new) {
        out.owners.push_back(decode_owner(owner));
        out.by_tgid[owner.tgid] = owner.pid;
        out.kin[owner.pid] = {.parent = owner.parent,
                              .started = owner.started_ns,
                              .program = owner.program,
                              .manager = is_manager(owner.inner != 0 ? owner.inner : owner.pid, text_of(owner.comm))};
      } else {
        add(decode_owner(owner), out.owners[at->second]);
      }
      bytes = bytes.subspan(sizeof owner);
    } else if (kind == abi::TA_RECORD_HELD && bytes.size() >= sizeof(abi::ta_held)) {
      abi::ta_held held;
      std::memcpy(&held, bytes.data(), sizeof held);
      (held.cookie != 0 ? out.by_cookie : out.by_inode).push_back(decode_held(held));
      bytes = bytes.subspan(sizeof held);
    } else {
      return fail(ErrorCode::failed,
                  fmt::format("walk over descriptors: record of kind {} with {} bytes left", kind, bytes.size()));
    }
  }
  std::ranges::sort(out.by_cookie);
  std::ranges::sort(out.by_inode);
  return out;
}

}  // namespace tcpadvisor::kernel
