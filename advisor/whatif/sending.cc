// SPDX-License-Identifier: Apache-2.0
// What decides how much waits in front of the wire, and how a flow begins again.
#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/flows.h"
#include "advisor/rules/words.h"
#include "advisor/whatif/kinds.h"

namespace tcpadvisor::whatif {
namespace {

constexpr double kLeastRate = 1e6 / 8;  // bytes per second
constexpr std::uint64_t kInitialWindow = 10;

bool listed(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(' '));
    if (one == word) return true;
    list.remove_prefix(std::min(list.size(), one.size() + 1));
  }
  return false;
}

}  // namespace

Answer on_notsent_lowat(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const auto then = static_cast<double>(asked.values[0].value_or(0));
  double most = 0;
  for (const SocketRow* row : world.in.window.connections().in_state(TcpState::established)) {
    const Series waits = field(world.in.window, *row, &PastRow::not_sent);
    const double rate = field(world.in.window, *row, &PastRow::bytes_acked).increase_per_s();
    const double typical = waits.percentile(50);
    most = std::max(most, typical);
    if (typical <= then || rate < kLeastRate) continue;
    out.effects.push_back({.of = flow_text(world.sample(), *row, "->"),
                           .metric = "wait_before_sending",
                           .from = typical / rate * 1000,
                           .to = then / rate * 1000,
                           .unit = "ms",
                           .formula = fmt::format("not sent / rate: {} / {}, now {}", human_bytes(to_u64(then)),
                                                  rate_text(rate), human_bytes(to_u64(typical)))});
  }
  conclude(out, fmt::format("no flow has so much waiting that was not sent: at most {}", human_bytes(to_u64(most))));
  if (out.changes) out.summary = "programs that wait until a socket is writable would put less in front of the wire";
  out.notes.emplace_back(
      "it acts at once, on programs that wait with poll or epoll, or block; they are woken more often");
  return out;
}

Answer on_slow_start(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  const bool off = asked.values[0].value_or(0) == 0;
  std::uint64_t model = 0, looked = 0;
  for (const SocketRow* row : world.in.window.connections().in_state(TcpState::established)) {
    if (!row->snd_cwnd || !row->srtt_us || world.now(row->netns, asked.knob->name) == asked.values[0]) continue;
    const double sent = field(world.in.window, *row, &PastRow::bytes_acked).increase();
    const Series windows = field(world.in.window, *row, &PastRow::snd_cwnd),
                 idle = field(world.in.window, *row, &PastRow::sent_ms_ago);
    const double rests = idle.max() * 1000, timeout = row->rto_us.value_or(200'000);
    if (sent <= 0 || rests <= timeout || windows.max() <= kInitialWindow) continue;
    ++looked;
    if (is_model_based(row->congestion_control)) {
      ++model;
      continue;
    }
    double rounds = 0;
    for (double size = kInitialWindow; size < windows.max(); size *= 2) ++rounds;
    out.effects.push_back({.of = flow_text(world.sample(), *row, "->"),
                           .metric = "growing_again_after_a_pause",
                           .from = off ? rounds * *row->srtt_us / 1000 : 0,
                           .to = off ? 0 : rounds * *row->srtt_us / 1000,
                           .unit = "ms",
                           .bound = true,
                           .formula = fmt::format("{:.0f} round trips of {} from {} to {:.0f} segments", rounds,
                                                  ms_text(*row->srtt_us), kInitialWindow, windows.max())});
  }
  conclude(out, looked == 0
                    ? "no flow that we saw sends again after a pause longer than its time-out"
                    : fmt::format("{} that pause use bbr, which has a pace of its own", counted(model, "flow")));
  if (out.changes) out.summary = "flows that pause would begin with another window";
  return out;
}

Answer on_congestion_control(const World& world, const Asked& asked) {
  Answer out = begin(world, asked);
  std::string missing, available;
  for (const NetnsSample* netns : world.places(*asked.knob)) {
    const Sysctl* list = setting_in(*netns, "net.ipv4.tcp_available_congestion_control");
    if (list != nullptr && !listed(list->text, asked.words)) {
      missing = netns->name;
      available = printable(list->text);
    }
    const std::string& now = setting_in(*netns, asked.knob->name)->text;
    if (!missing.empty() || now == asked.words) continue;
    std::uint64_t flows = 0, lossy = 0;
    for (const SocketRow* row : world.in.window.connections().in_state(TcpState::established)) {
      if (row->netns != netns->id || row->congestion_control == asked.words) continue;
      const Past all = recent(world.in, 0);
      const Progress progress = progress_of(all, *row);
      if (progress.acked.value_or(0) <= 0) continue;
      ++flows;
      lossy += progress.retransmits.value_or(0) > 0.001 * progress.segs_out.value_or(1) ? 1 : 0;
    }
    if (flows == 0) continue;
    out.effects.push_back({.of = "netns " + netns->name,
                           .metric = "flows_that_use_it_after_they_connect_again",
                           .from = 0,
                           .to = static_cast<double>(flows),
                           .unit = "flows",
                           .bound = true,
                           .formula = fmt::format("{} that send by {}; {} of them send more than 0.1 % again",
                                                  counted(flows, "flow"), printable(now), with_commas(lossy))});
  }
  conclude(out, !missing.empty() ? fmt::format("netns {} does not have it: it has {}; the module must be loaded first",
                                               missing, available)
                                 : "it is that already, or nothing is sent by another one");
  if (out.changes)
    out.summary = "connections that begin later would use it; how fast they are then, only a trial shows";
  return out;
}

}  // namespace tcpadvisor::whatif
