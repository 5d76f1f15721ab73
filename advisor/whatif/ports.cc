// SPDX-License-Identifier: Apache-2.0
// Local ports: how many connections one destination can have, and how many a second.
#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/port_space.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr double kTimeWaitS = 60;  // TCP_TIMEWAIT_LEN, include/net/tcp.h: no setting
constexpr std::size_t kMostDestinations = 20;

std::string place_text(const World& world, const PortUse& use) {
  const NetnsSample* netns = world.sample().find_netns(use.netns);
  return fmt::format("{} -> {}{}", use.source.ip_text(), destination_text(use),
                     netns == nullptr || netns->is_host ? "" : ", netns " + netns->name);
}

/// Those that stand, and so keep their port for good.
std::uint64_t standing(const PortUse& use) {
  return sub_sat(use.used, use.timewait);
}

/// The space with another range. Listeners in it are counted anew.
PortSpace with_range(const World& world, NetnsId netns, const PortSpace& now, std::uint64_t low, std::uint64_t high) {
  PortSpace out = now;
  out.low = low;
  out.high = high;
  const NetnsSample* place = world.sample().find_netns(netns);
  auto reserved =
      place == nullptr ? Sysctls::const_iterator() : place->sysctls.find("net.ipv4.ip_local_reserved_ports");
  out.reserved =
      place != nullptr && reserved != place->sysctls.end() ? reserved_between(reserved->second.text, low, high) : 0;
  out.listening = static_cast<std::uint64_t>(std::ranges::count_if(world.sample().ports, [&](const PortTotals& totals) {
    return totals.netns == netns && totals.port >= low && totals.port <= high;
  }));
  return out;
}

bool reused(const World& world, const PortUse& use, std::int64_t reuse) {
  if (chosen_by_bind(use) || world.then(use.netns, "net.ipv4.tcp_timestamps").value_or(0) == 0) return false;
  return reuse == 1 || (reuse == 2 && (use.source.is_loopback() || use.destination.is_loopback()));
}

double delay_s(const World& world, const PortUse& use) {
  return static_cast<double>(world.then(use.netns, "net.ipv4.tcp_tw_reuse_delay").value_or(1000)) / 1000;
}

/// Connections a second that one destination can have, if each is short and closed on this side.
double sustained(std::uint64_t ports, double held_s) {
  return static_cast<double>(ports) / std::max(held_s, 0.001);
}

}  // namespace

Answer on_port_range(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  std::uint64_t fullest = 0, seen = 0;
  for (const PortUse& use : world.sample().port_use) {
    auto now = port_space(world.sample(), use.netns);
    if (!now) continue;
    ++seen;
    fullest = std::max(fullest, use.used);
    if (seen > kMostDestinations) continue;
    const std::uint64_t low = to_u64(world.then(use.netns, asked.knob->name, 0).value_or(0)),
                        high = to_u64(world.then(use.netns, asked.knob->name, 1).value_or(0));
    const PortSpace then = with_range(world, use.netns, *now, low, high);
    if (then.available() == now->available()) continue;
    const bool again = reused(world, use, world.then(use.netns, "net.ipv4.tcp_tw_reuse").value_or(0));
    const double held = again ? delay_s(world, use) : kTimeWaitS;
    const std::uint64_t taken = again ? standing(use) : use.used;
    out.effects.push_back(
        {.of = place_text(world, use),
         .metric = "free_ports",
         .from = static_cast<double>(sub_sat(now->available(), taken)),
         .to = static_cast<double>(sub_sat(then.available(), taken)),
         .unit = "ports",
         .formula = fmt::format("{}-{} = {} ports, {} reserved, {} listening, {} in use ({} of them in TIME_WAIT)", low,
                                high, with_commas(high >= low ? high - low + 1 : 0), with_commas(then.reserved),
                                with_commas(then.listening), with_commas(use.used), with_commas(use.timewait))});
    out.effects.push_back({.of = place_text(world, use),
                           .metric = "connections_per_s",
                           .from = sustained(sub_sat(now->available(), standing(use)), held),
                           .to = sustained(sub_sat(then.available(), standing(use)), held),
                           .unit = "connections/s",
                           .bound = true,
                           .formula = fmt::format("({} available - {} that stand) / {:.3g} s that a port is kept after "
                                                  "its connection{}",
                                                  with_commas(then.available()), with_commas(standing(use)), held,
                                                  again ? " (tcp_tw_reuse)" : " (TIME_WAIT)")});
  }
  conclude(out, seen == 0 ? "no connection that chose a local port from the range was seen"
                          : "as many ports are available with it");
  if (out.changes) {
    out.summary =
        fmt::format("towards each of {}, other numbers of connections would fit; now at most {} ports are used",
                    counted(std::min<std::uint64_t>(seen, kMostDestinations), "destination"), with_commas(fullest));
    out.notes.emplace_back("it acts on connections that begin later");
  }
  const auto low = asked.values[0];
  if (low && *low < 10'000) {
    out.notes.emplace_back(
        "a range that begins so low collides with programs that listen there: what listens must start first, or its "
        "port be in ip_local_reserved_ports");
  }
  return out;
}

Answer on_tw_reuse(const World& world, const Asked& asked) {
  const bool is_delay = asked.knob->name.ends_with("_delay");
  Answer out = begin(world, asked);
  std::uint64_t waiting = 0;
  bool no_timestamps = false, same = false;
  std::size_t seen = 0;
  for (const PortUse& use : world.sample().port_use) {
    auto space = port_space(world.sample(), use.netns);
    if (!space || ++seen > kMostDestinations) continue;
    waiting = add_sat(waiting, use.timewait);
    const std::int64_t now_reuse = world.now(use.netns, "net.ipv4.tcp_tw_reuse").value_or(0);
    const std::int64_t reuse = world.then(use.netns, "net.ipv4.tcp_tw_reuse").value_or(0);
    no_timestamps = no_timestamps || world.then(use.netns, "net.ipv4.tcp_timestamps").value_or(1) == 0;
    const double delay_now =
        static_cast<double>(world.now(use.netns, "net.ipv4.tcp_tw_reuse_delay").value_or(1000)) / 1000;
    const double before = reused(world, use, now_reuse) ? delay_now : kTimeWaitS;
    const double after = reused(world, use, reuse) ? delay_s(world, use) : kTimeWaitS;
    if (before == after || use.timewait == 0) {
      same = true;
      continue;
    }
    const std::uint64_t ports = sub_sat(space->available(), standing(use));
    const auto per_s = static_cast<double>(use.timewait) / kTimeWaitS;
    out.effects.push_back({.of = place_text(world, use),
                           .metric = "connections_per_s",
                           .from = sustained(ports, before),
                           .to = sustained(ports, after),
                           .unit = "connections/s",
                           .bound = true,
                           .formula = fmt::format("({} available - {} that stand) / {:.3g} s",
                                                  with_commas(space->available()), with_commas(standing(use)), after)});
    out.effects.push_back(
        {.of = place_text(world, use),
         .metric = "ports_held",
         .from = static_cast<double>(standing(use)) + per_s * before,
         .to = static_cast<double>(standing(use)) + per_s * after,
         .unit = "ports",
         .formula = fmt::format("{} that stand + {:.3g} closes/s x {:.3g} s; {:.3g} port minutes each minute",
                                with_commas(standing(use)), per_s, after, per_s * after)});
  }
  std::string why =
      "no connection that this host began and closed is in TIME_WAIT; those that others began are not touched";
  if (waiting > 0 && no_timestamps)
    why = "tcp_timestamps is 0, and without time stamps no port is taken again";
  else if (same && waiting > 0)
    why = "connections that begin here would take such ports as soon, or as late, as now";
  conclude(out, why);
  if (out.changes)
    out.summary = is_delay ? "ports in TIME_WAIT could be taken again at another time"
                           : "ports in TIME_WAIT would be held for another time";
  out.notes.emplace_back(
      "it is for connections that begin here: the count of TIME_WAIT stays, and a server's does not change at all");
  return out;
}

}  // namespace tcpadvisor::whatif
