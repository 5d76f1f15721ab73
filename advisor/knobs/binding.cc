// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/binding.h"

#include <algorithm>
#include <string_view>

#include "advisor/base/saturate.h"
#include "advisor/knobs/port_space.h"

namespace tcpadvisor {
namespace {

constexpr double kAtTheEnd = 0.95;   // of the largest buffer
constexpr double kNearlyFull = 0.8;  // of a table, or of ports

/// What is asked about: one setting in one namespace.
struct Place {
  const Sample& sample;
  const NetnsSample& netns;
  const Knob& knob;

  std::int64_t value(std::size_t at = 0) const { return value_of(std::string(knob.name), at); }
  std::int64_t value_of(const std::string& name, std::size_t at = 0) const {
    auto found = netns.sysctls.find(name);
    if (found != netns.sysctls.end() && at < found->second.values.size()) return found->second.values[at];
    return 0;
  }
  std::uint64_t in_state(TcpState state) const { return netns.states[index_of(state)].count; }
  template <typename Matches>
  std::uint64_t rows(Matches matches) const {
    return static_cast<std::uint64_t>(std::ranges::count_if(sample.sockets, [&](const SocketRow& row) {
      return (knob.scope == KnobScope::host || row.netns == netns.id) && matches(row);
    }));
  }
};

using Count = Binding (*)(const Place&);

bool is_established(const SocketRow& row) {
  return row.state == TcpState::established;
}

Binding receive_ends(const Place& at) {
  const double end = kAtTheEnd * static_cast<double>(at.value(2));
  return {at.rows([&](const SocketRow& row) {
            const bool fixed = row.locks && row.locks->rcvbuf;
            return is_established(row) && !fixed && end > 0 && static_cast<double>(row.rcvbuf.value_or(0)) >= end;
          }),
          "receive buffers that have grown to [2]"};
}

Binding send_ends(const Place& at) {
  const double end = kAtTheEnd * static_cast<double>(at.value(2));
  return {at.rows([&](const SocketRow& row) {
            const bool fixed = row.locks && row.locks->sndbuf;
            return is_established(row) && !fixed && end > 0 && static_cast<double>(row.sndbuf.value_or(0)) >= end;
          }),
          "send buffers that have grown to [2]"};
}

Binding receive_cut(const Place& at) {
  const std::uint64_t most = mul_sat<std::uint64_t>(to_u64(at.value()), 2);
  return {at.rows([&](const SocketRow& row) { return row.locks && row.locks->rcvbuf && row.rcvbuf == most; }),
          "SO_RCVBUF of a program cut by it"};
}

Binding send_cut(const Place& at) {
  const std::uint64_t most = mul_sat<std::uint64_t>(to_u64(at.value()), 2);
  return {at.rows([&](const SocketRow& row) { return row.locks && row.locks->sndbuf && row.sndbuf == most; }),
          "SO_SNDBUF of a program cut by it"};
}

Binding backlogs_cut(const Place& at) {
  const std::uint64_t most = to_u64(at.value());
  return {at.rows([&](const SocketRow& row) {
            return row.state == TcpState::listen && row.accept_limit && *row.accept_limit >= most;
          }),
          "listeners whose backlog ends there"};
}

Binding half_open(const Place& at) {
  if (at.value_of("net.ipv4.tcp_syncookies") != 0) return {0, "not read while tcp_syncookies is not 0"};
  return {at.in_state(TcpState::new_syn_recv), "half-open connections that count against it"};
}

Binding ports_short(const Place& at) {
  std::uint64_t sockets = 0;
  for (const PortUse& use : at.sample.port_use) {
    if (use.netns != at.netns.id) continue;
    auto space = port_space(at.sample, use.netns);
    if (space && share_of(at.sample, use, *space) >= kNearlyFull) sockets = add_sat(sockets, use.used);
  }
  return {sockets, "ports towards destinations that have 80 % of them"};
}

Binding ports_kept(const Place& at) {
  std::uint64_t sockets = 0;
  for (const PortUse& use : at.sample.port_use) {
    if (use.netns == at.netns.id && !chosen_by_bind(use) && !takes_time_wait_again(at.sample, use))
      sockets = add_sat(sockets, use.timewait);
  }
  return {sockets, "ports of own connections that TIME_WAIT keeps"};
}

Binding entries(const Place& at) {
  const std::uint64_t count = at.netns.sockstat ? at.netns.sockstat->tw : at.in_state(TcpState::time_wait);
  const bool full = static_cast<double>(count) >= kNearlyFull * static_cast<double>(at.value());
  return {full ? count : 0, "entries of TIME_WAIT, from 80 % of it on"};
}

Binding fin_wait_2(const Place& at) {
  const std::uint64_t held =
      at.rows([](const SocketRow& row) { return row.state == TcpState::fin_wait_2 && row.holder == Holder::process; });
  return {sub_sat(at.in_state(TcpState::fin_wait_2), held), "closed connections that wait for the peer's FIN"};
}

Binding orphans(const Place& at) {
  const std::uint64_t count = at.sample.host_sockstat ? at.sample.host_sockstat->orphan : 0;
  const bool full = static_cast<double>(count) >= kNearlyFull * static_cast<double>(at.value());
  return {full ? count : 0, "connections without a process, from 80 % of it on"};
}

Binding kept_alive(const Place& at) {
  return {at.rows([](const SocketRow& row) { return is_established(row) && row.keepalive.value_or(false); }),
          "connections with SO_KEEPALIVE"};
}

Binding sending_again(const Place& at) {
  return {at.rows([](const SocketRow& row) { return row.timer == Timer::retransmit && row.backoff.value_or(0) > 0; }),
          "connections that send again without an answer"};
}

Binding connecting(const Place& at) {
  return {at.in_state(TcpState::syn_sent), "attempts to connect"};
}

Binding answering(const Place& at) {
  return {at.in_state(TcpState::new_syn_recv), "half-open connections"};
}

Binding waits_unsent(const Place& at) {
  const std::uint64_t mark = to_u64(at.value());
  return {at.rows([&](const SocketRow& row) { return is_established(row) && row.not_sent.value_or(0) >= mark; }),
          "connections with so much that is not sent"};
}

Binding waits_below(const Place& at) {
  const std::uint64_t mark = to_u64(at.value());
  return {at.rows([&](const SocketRow& row) { return is_established(row) && row.wmem_alloc.value_or(0) >= mark; }),
          "connections with so much below TCP"};
}

Binding by_this_control(const Place& at) {
  auto found = at.netns.sysctls.find(std::string(at.knob.name));
  const std::string& name = found->second.text;
  return {at.rows([&](const SocketRow& row) { return is_established(row) && row.congestion_control == name; }),
          "established connections that use it"};
}

Binding not_growing(const Place& at) {
  if (at.value() != 0) return {0, "receive buffers that may not grow"};
  return {at.rows([](const SocketRow& row) { return is_established(row) && !(row.locks && row.locks->rcvbuf); }),
          "receive buffers that may not grow"};
}

Binding under_pressure(const Place& at) {
  std::uint64_t sockets = 0;
  if (at.sample.memory.under_pressure.value_or(false)) {
    for (const NetnsSample& netns : at.sample.netns)
      sockets = add_sat(sockets, netns.states[index_of(TcpState::established)].count);
  }
  return {sockets, "established connections under memory pressure"};
}

Binding tracked(const Place& at) {
  const std::uint64_t count = at.netns.conntrack ? at.netns.conntrack->count : 0;
  const bool full = static_cast<double>(count) >= kNearlyFull * static_cast<double>(at.value());
  return {full ? count : 0, "tracked connections, from 80 % of it on"};
}

struct Row {
  std::string_view knob;
  Count count;
};
constexpr Row kRows[] = {
    {"net.ipv4.tcp_rmem", receive_ends},
    {"net.ipv4.tcp_wmem", send_ends},
    {"net.core.rmem_max", receive_cut},
    {"net.core.wmem_max", send_cut},
    {"net.core.somaxconn", backlogs_cut},
    {"net.ipv4.tcp_max_syn_backlog", half_open},
    {"net.ipv4.ip_local_port_range", ports_short},
    {"net.ipv4.tcp_tw_reuse", ports_kept},
    {"net.ipv4.tcp_max_tw_buckets", entries},
    {"net.ipv4.tcp_fin_timeout", fin_wait_2},
    {"net.ipv4.tcp_max_orphans", orphans},
    {"net.ipv4.tcp_keepalive_time", kept_alive},
    {"net.ipv4.tcp_keepalive_intvl", kept_alive},
    {"net.ipv4.tcp_keepalive_probes", kept_alive},
    {"net.ipv4.tcp_retries2", sending_again},
    {"net.ipv4.tcp_syn_retries", connecting},
    {"net.ipv4.tcp_synack_retries", answering},
    {"net.ipv4.tcp_notsent_lowat", waits_unsent},
    {"net.ipv4.tcp_limit_output_bytes", waits_below},
    {"net.ipv4.tcp_congestion_control", by_this_control},
    {"net.ipv4.tcp_moderate_rcvbuf", not_growing},
    {"net.ipv4.tcp_mem", under_pressure},
    {"net.netfilter.nf_conntrack_max", tracked},
};

}  // namespace

std::optional<Binding> binding_of(const Sample& sample, const NetnsSample& netns, const Knob& knob) {
  if (!netns.sysctls.contains(std::string(knob.name))) return std::nullopt;
  for (const Row& row : kRows) {
    if (row.knob == knob.name) return row.count({sample, netns, knob});
  }
  return std::nullopt;
}

}  // namespace tcpadvisor
