// SPDX-License-Identifier: Apache-2.0
// Timers that decide when the kernel gives a connection up.
#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/text.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr double kFirstRtoS = 0.2, kLongestRtoS = 120;  // TCP_RTO_MIN, TCP_RTO_MAX
constexpr std::int64_t kDoublings = 9;                  // of 0.2 s until 120 s: ilog2(120 / 0.2)
constexpr std::int64_t kMostTries = 255;

/// Seconds until so many retransmissions went without an answer: tcp_model_timeout() in net/ipv4/tcp_timer.c, where the
/// round trip is short.
double data_given_up_s(std::int64_t tries) {
  tries = std::clamp<std::int64_t>(tries, 0, kMostTries);
  if (tries <= kDoublings) return static_cast<double>((2ll << tries) - 1) * kFirstRtoS;
  return static_cast<double>((2ll << kDoublings) - 1) * kFirstRtoS +
         static_cast<double>(tries - kDoublings) * kLongestRtoS;
}

/// SYNs start with 1 s, and double up to 120 s. Since 6.5 (tcp_syn_linear_timeouts) the first four of a client are 1 s
/// apart, so it is less there.
double syn_given_up_s(std::int64_t tries) {
  double sum = 0, wait = 1;
  for (std::int64_t i = 0; i <= std::clamp<std::int64_t>(tries, 0, kMostTries); ++i) {
    sum += wait;
    wait = std::min(wait * 2, kLongestRtoS);
  }
  return sum;
}

struct Kind {
  std::string_view metric, what;
  double (*seconds)(std::int64_t);
  bool (*waits)(const SocketRow& row);
  TcpState state;  ///< of the totals that count where no row does
};

bool sends_again(const SocketRow& row) {
  return row.state != TcpState::syn_sent && row.kind == SocketKind::full && row.timer == Timer::retransmit &&
         row.backoff.value_or(0) > 0;
}
bool is_syn_sent(const SocketRow& row) {
  return row.state == TcpState::syn_sent;
}
bool is_half_open(const SocketRow& row) {
  return row.kind == SocketKind::request;
}

Kind kind_of(std::string_view knob) {
  if (knob.ends_with("tcp_syn_retries"))
    return {"connect_given_up", "attempt to connect without an answer", syn_given_up_s, is_syn_sent,
            TcpState::syn_sent};
  if (knob.ends_with("tcp_synack_retries"))
    return {"half_open_given_up", "half-open connection", syn_given_up_s, is_half_open, TcpState::new_syn_recv};
  return {"data_given_up", "connection that sends again without an answer", data_given_up_s, sends_again,
          TcpState::established};
}

}  // namespace

Answer on_retries(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const Kind kind = kind_of(asked.knob->name);
  const std::int64_t then = asked.values[0].value_or(0);
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    const std::int64_t now = world.now(netns->id, asked.knob->name).value_or(0);
    auto here = static_cast<std::uint64_t>(std::ranges::count_if(
        world.sample().sockets, [&](const SocketRow& row) { return row.netns == netns->id && kind.waits(row); }));
    if (kind.state != TcpState::established) here = std::max(here, netns->states[index_of(kind.state)].count);
    if (here == 0 || now == then) continue;
    out.effects.push_back(
        {.of = fmt::format("{}, netns {}", counted(here, kind.what), netns->name),
         .metric = std::string(kind.metric),
         .from = kind.seconds(now),
         .to = kind.seconds(then),
         .unit = "s",
         .formula = fmt::format("{} tries, each wait twice the one before, from {:.3g} s to at most {:.0f} s", then,
                                kind.seconds == data_given_up_s ? kFirstRtoS : 1, kLongestRtoS)});
  }
  conclude(out, fmt::format("there is no {} now", kind.what));
  if (!out.changes) out.notes.push_back(fmt::format("it would mean: given up after {:.0f} s", kind.seconds(then)));
  if (out.changes) out.summary = "what gets no answer would be given up at another time";
  if (kind.seconds == data_given_up_s && then < 8)
    out.notes.emplace_back("below 8 (100 s, RFC 1122) a short outage of the path ends connections");
  return out;
}

Answer on_keepalive(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  std::uint64_t without = 0, unknown = 0;
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    std::uint64_t with = 0;
    for (const SocketRow* row : world.in.window.connections().in_state(TcpState::established)) {
      if (row->netns != netns->id) continue;
      with += row->keepalive.value_or(row->timer == Timer::keepalive) ? 1 : 0;
      without += row->keepalive == false ? 1 : 0;
      unknown += row->keepalive || row->timer == Timer::keepalive ? 0 : 1;
    }
    auto span = [&](bool later) {
      auto value = [&](const char* knob, std::int64_t usual) {
        return static_cast<double>((later ? world.then(netns->id, knob) : world.now(netns->id, knob)).value_or(usual));
      };
      return value("net.ipv4.tcp_keepalive_time", 7200) +
             value("net.ipv4.tcp_keepalive_intvl", 75) * value("net.ipv4.tcp_keepalive_probes", 9);
    };
    if (with == 0 || span(false) == span(true)) continue;
    const double idle = static_cast<double>(world.then(netns->id, "net.ipv4.tcp_keepalive_time").value_or(7200));
    out.effects.push_back(
        {.of = fmt::format("{} with SO_KEEPALIVE, netns {}", counted(with, "connection"), netns->name),
         .metric = "dead_peer_noticed",
         .from = span(false),
         .to = span(true),
         .unit = "s",
         .bound = true,
         .formula = fmt::format("time + interval x probes; idle ones send {:.3g} probes a second",
                                static_cast<double>(with) / std::max(idle, 1.0))});
  }
  conclude(out, without + unknown == 0
                    ? "there is no established connection"
                    : fmt::format(
                          "no connection has SO_KEEPALIVE, which only its program can set ({} without, {} not known)",
                          with_commas(without), with_commas(unknown)));
  if (out.changes)
    out.summary = "vanished peers would be noticed at another time, where programs have set SO_KEEPALIVE";
  out.notes.emplace_back("sockets with a TCP_KEEPIDLE, TCP_KEEPINTVL or TCP_KEEPCNT of their own keep those");
  return out;
}

}  // namespace tcpadvisor::whatif
