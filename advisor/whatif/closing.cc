// SPDX-License-Identifier: Apache-2.0
// What the kernel keeps of connections that are over for their program: half-closed, in TIME_WAIT, orphans.
#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr std::uint64_t kTimeWaitBytes = 256;  // of one entry, slabinfo tw_sock_TCP
constexpr std::int64_t kLongest = 60;          // s: TCP_TIMEWAIT_LEN; the time above it is spent as a full socket

std::uint64_t total(const NetnsSample& netns, TcpState state) {
  return netns.states[index_of(state)].count;
}

/// FIN_WAIT_2 that no process holds: those of rows that do have a holder are taken off.
std::uint64_t orphans_in_fin_wait2(const Sample& sample, const NetnsSample& netns) {
  const auto held = static_cast<std::uint64_t>(std::ranges::count_if(sample.sockets, [&](const SocketRow& row) {
    return row.netns == netns.id && row.state == TcpState::fin_wait_2 && held_by_process(row);
  }));
  return sub_sat(total(netns, TcpState::fin_wait_2), held);
}

}  // namespace

Answer on_fin_timeout(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  std::uint64_t time_wait = 0, close_wait = 0;
  const std::int64_t then = asked.values[0].value_or(0);
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    time_wait = add_sat(time_wait, total(*netns, TcpState::time_wait));
    close_wait = add_sat(close_wait, total(*netns, TcpState::close_wait));
    const std::uint64_t count = orphans_in_fin_wait2(world.sample(), *netns);
    const std::int64_t now = world.now(netns->id, asked.knob->name).value_or(kLongest);
    if (count == 0 || now <= 0 || then == now) continue;
    const auto sockets = static_cast<double>(count);
    out.effects.push_back({.of = "netns " + netns->name,
                           .metric = "fin_wait_2",
                           .from = sockets,
                           .to = sockets * static_cast<double>(then) / static_cast<double>(now),
                           .unit = "sockets",
                           .bound = true,
                           .formula = fmt::format("{} that no process holds x {} s / {} s, where peers never close",
                                                  with_commas(count), then, now)});
  }
  conclude(out, fmt::format("no closed connection waits in FIN_WAIT_2 for its peer, and that is all it ends: TIME_WAIT "
                            "({} here) is a fixed 60 s, CLOSE_WAIT ({} here) has no timer",
                            with_commas(time_wait), with_commas(close_wait)));
  if (out.changes) out.summary = "closed connections whose peers never close would be kept for another time";
  if (then < 10) out.notes.emplace_back("below 10 s a late FIN of a slow peer is answered with a reset");
  return out;
}

Answer on_tw_buckets(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const std::uint64_t then = to_u64(asked.values[0].value_or(0));
  std::uint64_t most = 0;
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    const std::uint64_t here = std::max(netns->sockstat ? netns->sockstat->tw : 0, total(*netns, TcpState::time_wait));
    const double early = world.in.window.increase(netns->id, "TcpExt.TCPTimeWaitOverflow").value_or(0);
    most = std::max(most, here);
    if (then >= here && early <= 0) continue;
    out.effects.push_back(
        {.of = "netns " + netns->name,
         .metric = "time_wait",
         .from = static_cast<double>(here),
         .to = static_cast<double>(then < here ? then : add_sat(here, to_u64(early))),
         .unit = "sockets",
         .bound = true,
         .formula = fmt::format("at most {} entries of {} B = {}; {:.0f} connections were ended early while "
                                "we looked, and beyond it more are, with a reset",
                                with_commas(then), kTimeWaitBytes, human_bytes(mul_sat(then, kTimeWaitBytes)), early)});
  }
  conclude(out, fmt::format("entries of TIME_WAIT: {} are there, fewer than it, and none was ended early; they take {}",
                            with_commas(most), human_bytes(mul_sat(most, kTimeWaitBytes))));
  if (out.changes) out.summary = "another number of connections could rest in TIME_WAIT";
  return out;
}

Answer on_max_orphans(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const std::uint64_t then = to_u64(asked.values[0].value_or(0));
  const auto& stat = world.sample().host_sockstat;
  if (!stat) {
    conclude(out, "how many orphans there are is not known: /proc/net/sockstat could not be read");
    return out;
  }
  const double aborted = world.in.window.increase("TcpExt.TCPAbortOnMemory").value_or(0);
  if (stat->orphan > then || aborted > 0) {
    out.effects.push_back(
        {.of = "host",
         .metric = "orphans",
         .from = static_cast<double>(stat->orphan),
         .to = static_cast<double>(std::min(stat->orphan, then)),
         .unit = "sockets",
         .bound = true,
         .formula = fmt::format("{} now, at most {}; {:.0f} were reset for it or for memory while we looked",
                                with_commas(stat->orphan), with_commas(then), aborted)});
  }
  conclude(out, fmt::format("{} are there, {:.3g} % of it", with_commas(stat->orphan) + " orphans",
                            100.0 * static_cast<double>(stat->orphan) / std::max(1.0, static_cast<double>(then))));
  if (out.changes)
    out.summary = "connections that are closed, but not yet sent to their end, would be reset at another number";
  return out;
}

}  // namespace tcpadvisor::whatif
