// SPDX-License-Identifier: Apache-2.0
// The other end's receive window holds a sender back: nothing on this host changes that.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/flow_limits.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace peer_window_rule {
namespace {

constexpr std::string_view kId = "peer-window-limited";
constexpr Threshold kShare =
    ratio_threshold("limited_share", 0.50).clears_at(0.8);  // of the busy time, waiting for the peer's window
constexpr Threshold kShareBbr =
    ratio_threshold("limited_share_bbr", 0.15).clears_at(0.8);  // the same, for a sender that paces itself
constexpr Threshold kFlat =
    ratio_threshold("window_varies", 0.10).clears_at(1.5);  // at most: else its reader is what varies
constexpr double kStandsStill = 0.5;   // of a window per round trip: the flow has paused or ended there
constexpr double kRateToPlanFor = 2;   // of the rate measured: nobody knows yet what the path carries
constexpr double kBuffersPerBdp = 2;   // one round trip on its way, and one to repair a loss
constexpr double kPayloadRatio = 0.5;  // of a buffer at the other end, about

struct Held {
  double rate = 0;   ///< bytes per second
  double share = 0;  ///< of the busy time
  double use = 0;    ///< of the window, per round trip
  double window = 0, rtt_us = 0, min_rtt_us = 0;
  double wanted_share = 0;
};

struct HeldFlows {
  std::vector<const SocketRow*> rows;
  Held worst;
  const SocketRow* far = nullptr;  ///< the worst one's other end, if it is on this host
};

double wanted_share(const Policy& policy, const SocketRow& row) {
  return policy.value(row.congestion_control.starts_with("bbr") ? kShareBbr : kShare);
}

/// In one window; nothing if it cannot be measured, or if the queue of the path is what is full.
std::optional<Held> held_in(const Policy& policy, const Past& part, const SocketRow& row) {
  Series busy = field(part, row, &PastRow::busy_us), limited = field(part, row, &PastRow::rwnd_limited_us);
  Series window = field(part, row, &PastRow::snd_wnd), rtt = field(part, row, &PastRow::srtt_us);
  if (busy.size() < 2 || limited.size() < 2 || window.empty() || rtt.empty() || window.min() <= 0) return std::nullopt;
  if (busy.increase() <= 0 || busy.increase() < policy.value(kMinBusyShare) * part.span_s() * 1e6) return std::nullopt;
  Held out{.rate = field(part, row, &PastRow::bytes_acked).increase_per_s(),
           .share = limited.increase() / busy.increase(),
           .use = 0,
           .window = window.percentile(50),
           .rtt_us = rtt.percentile(50),
           .min_rtt_us = static_cast<double>(row.min_rtt_us.value_or(0)),
           .wanted_share = wanted_share(policy, row)};
  out.use = out.rate * out.rtt_us / 1e6 / out.window;
  if (out.rtt_us > kRttGrowth * out.min_rtt_us) return std::nullopt;
  return out;
}

std::optional<Held> held(const Evidence& in, const PolicyWindows& windows, const SocketRow& row) {
  const Policy& policy = in.policy;
  if (row.min_rtt_us.value_or(0) < policy.value(kMinRtt) * 1e6) return std::nullopt;
  Series window = field(in.window, row, &PastRow::snd_wnd);
  double most = window.percentile(90);
  if (most <= 0 || most - window.percentile(10) > policy.value(kFlat) * most) return std::nullopt;
  std::vector<Held> found;
  for (const Past& part : windows.parts) {
    std::optional<Held> here = held_in(policy, part, row);
    if (!here || here->use < kStandsStill) return std::nullopt;
    if (here->use >= policy.value(kWindowUse) && here->share >= here->wanted_share) found.push_back(*here);
  }
  if (found.empty() ||
      static_cast<double>(found.size()) < policy.value(kShareOfParts) * static_cast<double>(windows.parts.size()))
    return std::nullopt;
  Held out = *std::ranges::min_element(found, {}, &Held::share);
  out.rate = field(in.window, row, &PastRow::bytes_acked).increase_per_s();
  if (out.rate < policy.value(kMinRate)) return std::nullopt;
  return out;
}

Finding finding_for(const Evidence& in, const PolicyWindows& windows, const HeldFlows& flows) {
  const Window& window = in.window;
  const Sample& now = in.now();
  const SocketRow& first = *flows.rows.front();
  const Held& worst = flows.worst;
  Finding finding;
  finding.id = kId;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::peer;
  Scope& scope = finding.scope;
  scope.netns = first.netns;
  scope.netns_name = netns_name(now, first.netns);
  scope.cgroup = first.cgroup;
  name_sockets(scope, flows.rows);
  const double rate_mbit = worst.rate * 8 / 1e6, rtt_ms = worst.rtt_us / 1000;
  finding.title =
      fmt::format("The other end's window of {} holds {} of {} to {:.3g} Mbit/s", human_bytes(to_u64(worst.window)),
                  counted(flows.rows.size(), "flow"), process_text(scope), rate_mbit);
  finding.confidence_why =
      "the kernel's clock of the time in which only the peer's window holds it back, and the round trip has not grown";
  if (windows.shortened) {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; " + windows.why;
  }
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(
      measured(window, "rwnd_limited_of_busy_time", source, worst.share, "ratio", worst.wanted_share));
  finding.evidence.push_back(
      measured(window, "peer_window_used_per_rtt", source, worst.use, "ratio", in.policy.value(kWindowUse)));
  finding.evidence.push_back(measured(window, "peer_window", source, worst.window, "bytes"));
  finding.evidence.push_back(measured(window, "rate", source, rate_mbit, "Mbit/s"));
  finding.evidence.push_back(measured(window, "rtt", source, rtt_ms, "ms", kRttGrowth * worst.min_rtt_us / 1000));
  finding.meaning = fmt::format(
      "The other end takes no more than {} in each round trip of {:.3g} ms. The round trip has not grown, so the path "
      "would carry more; nothing on this side limits it.",
      human_bytes(to_u64(worst.window)), rtt_ms);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  double needed = kBuffersPerBdp * kRateToPlanFor * worst.rate * worst.rtt_us / 1e6 / kPayloadRatio;
  std::string buffer = human_bytes(pow2ceil(to_u64(needed)));
  if (flows.far != nullptr && flows.far->owner) {
    cure.text = fmt::format("Change nothing here: the other end is {}[{}] on this host; see what is said about it.",
                            flows.far->owner->comm, flows.far->owner->pid);
  } else {
    cure.text = fmt::format(
        "Change nothing here. Ask the other end for a receive buffer that may grow to {}: no SO_RCVBUF in its program, "
        "and a tcp_rmem[2] of that size.",
        buffer);
  }
  cure.formula =
      fmt::format("{} x BDP / payload ratio = {} x ({} x {:.3g} Mbit/s x {:.3g} ms) / {} = {}, as a power of two",
                  kBuffersPerBdp, kBuffersPerBdp, kRateToPlanFor, rate_mbit, rtt_ms, kPayloadRatio, buffer);
  cure.verify = "at the other end: tcpadvisor report, or ss -tinm: its receive buffer grows with the flow";
  finding.not_useful = {
      {"net.ipv4.tcp_wmem", "the sender has room: it waits for the other end's window"},
      {"net.ipv4.tcp_congestion_control", "the window is smaller than what the congestion window would allow"}};
  return finding;
}

Outcome judge_peer_window(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  PolicyWindows windows = policy_windows(in.window, in.policy);
  std::map<std::pair<Pid, NetnsId>, HeldFlows> groups;
  std::uint64_t senders = 0;
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::established || row.send_q == 0 || row.holder == Holder::unaccepted) continue;
    if (row.rwnd_limited_us.value_or(0) == 0) continue;
    ++senders;
    std::optional<Held> found = held(in, windows, row);
    if (!found) continue;
    HeldFlows& group = groups[{row.owner ? row.owner->pid : 0, row.netns}];
    group.rows.push_back(&row);
    if (group.rows.size() == 1 || found->share > group.worst.share) {
      group.worst = *found;
      group.far = in.window.connections().other_end(row);
    }
  }
  if (senders > 0 && windows.parts.empty()) return Outcome::unknown(windows.why);
  std::vector<Finding> findings;
  findings.reserve(groups.size());
  for (const auto& [key, flows] : groups) findings.push_back(finding_for(in, windows, flows));
  return Outcome::of(std::move(findings), "", "senders that only the peer's window limits",
                     fmt::format("0 of {} that waited for it", with_commas(senders)));
}

constexpr std::array kThresholds = {kShare,        kShareBbr, kWindowUse, kFlat,
                                    kMinBusyShare, kMinRtt,   kMinRate,   kShareOfParts};
constexpr std::array<std::string_view, 2> kReferences = {"RFC 9293 section 3.8.6 (windows)",
                                                         "net/ipv4/tcp.c: tcp_chrono_start (rwnd_limited)"};

}  // namespace
}  // namespace peer_window_rule

namespace rules {

extern const Rule peer_window_limited = {
    .id = peer_window_rule::kId,
    .title = "the other end's window limits a flow",
    .explanation =
        "A sender may have no more on its way than the other end's window. This one uses it up in each round trip, "
        "although the path's queue is empty: a larger receive buffer at the other end would make it faster.",
    .thresholds = peer_window_rule::kThresholds,
    .references = peer_window_rule::kReferences,
    .covers = {.each = EachOf::flows},
    .judge = peer_window_rule::judge_peer_window,
};

}  // namespace rules
}  // namespace tcpadvisor
