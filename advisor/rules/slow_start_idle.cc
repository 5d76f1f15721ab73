// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/rules/flows.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace slow_start_idle_rule {
namespace {

constexpr Threshold kMinRtt = time_threshold("min_rtt", 0.01);  // below it a round trip more is nothing
constexpr Threshold kMinBursts = count_threshold("min_bursts", 3, "bursts").clears_at(0.6);
constexpr Threshold kMinLost = time_threshold("min_lost", 0.05).clears_at(0.6);  // a burst, in the middle
constexpr Threshold kMostRetransmits =
    ratio_threshold("most_retransmits", 0.005).clears_at(2);  // above it large windows do harm
constexpr const char* kKnob = "net.ipv4.tcp_slow_start_after_idle";
constexpr double kInitialWindow = 10;  // segments: TCP_INIT_CWND (include/net/tcp.h)
constexpr double kMostRounds = 64;     // any burst ends before
constexpr double kLeastS = 30;
constexpr double kNextLookS = 5;  // a look later than this may have missed bursts
constexpr std::size_t kFewestLooks = 4;

/// Round trips that `segments` take from a window that doubles up to `most`, and then stays.
double rounds(double window, double most, double segments) {
  double sent = 0, count = 0;
  while (sent < segments && count < kMostRounds) {
    sent += window;
    window = std::min(window * 2, std::max(window, most));
    ++count;
  }
  return count;
}

/// After idling, the kernel halves the window for each time-out that has passed (tcp_cwnd_restart,
/// net/ipv4/tcp_output.c).
double window_after(double window, double idle_us, double rto_us) {
  const double least = std::min(kInitialWindow, window);
  const double halvings = std::min(32.0, std::floor(idle_us / rto_us));
  return std::max(least, std::floor(window / std::exp2(halvings)));
}

struct Bursts {
  const SocketRow* row = nullptr;
  Series lost_rounds, window_before, window_at_start, bytes, idle_ms;
  double lost_ms() const { return lost_rounds.percentile(50) * row->min_rtt_us.value_or(0) / 1000.0; }
};

/// A look at a connection that rests, and the next one after it has sent a lot.
void add_burst(const Past& past, std::size_t i, const PastRow* then, const PastRow* next, Bursts& out) {
  const SocketRow& row = *out.row;
  if (then == nullptr || next == nullptr || then->send_q > 0 || !then->sent_ms_ago || !then->snd_cwnd) return;
  if (past.seconds_at(i + 1) - past.seconds_at(i) > kNextLookS) return;
  if (!then->bytes_acked || !next->bytes_acked || *next->bytes_acked <= *then->bytes_acked) return;
  if (then->total_retrans != next->total_retrans) return;  // a loss has its own say about the window
  const double mss = *row.mss, rto_us = *row.rto_us;
  double idle_us = *then->sent_ms_ago * 1000.0;
  if (idle_us < rto_us) return;
  // The pause went on until the burst began: in the middle of the time in which it can have, as far as we know.
  const double apart_us = (past.seconds_at(i + 1) - past.seconds_at(i)) * 1e6;
  idle_us += std::max(0.0, apart_us - next->sent_ms_ago.value_or(0) * 1000.0) / 2;
  const double bytes = static_cast<double>(*next->bytes_acked - *then->bytes_acked) + next->send_q;
  const double peer = next->snd_wnd ? std::max(1.0, *next->snd_wnd / mss) : 1e9;
  const double before = std::min<double>(*then->snd_cwnd, peer);
  const double start = std::min(window_after(*then->snd_cwnd, idle_us, rto_us), peer);
  if (bytes / mss < kInitialWindow || before <= start) return;
  const double lost = rounds(start, before, bytes / mss) - rounds(before, before, bytes / mss);
  const double at = past.seconds_at(i);
  out.lost_rounds.add(at, lost);
  out.window_before.add(at, before);
  out.window_at_start.add(at, start);
  out.bytes.add(at, bytes);
  out.idle_ms.add(at, idle_us / 1000);
}

std::optional<Bursts> bursts_of(const Evidence& in, const Past& past, const SocketRow& row) {
  if (row.state != TcpState::established || row.congestion_control.empty() || is_model_based(row.congestion_control))
    return std::nullopt;
  if (row.mss.value_or(0) == 0 || row.rto_us.value_or(0) == 0 ||
      row.min_rtt_us.value_or(0) < in.policy.value(kMinRtt) * 1e6)
    return std::nullopt;
  if (row.snd_cwnd.value_or(0) <= kInitialWindow ||
      static_cast<double>(row.bytes_acked.value_or(0)) < in.policy.value(kMinBursts) * kInitialWindow * *row.mss)
    return std::nullopt;
  const PastRow* first = past.first().find(row);
  if (first != nullptr && first->bytes_acked == Maybe<std::uint64_t>(row.bytes_acked)) return std::nullopt;  // at rest
  Progress progress = progress_of(past, row);
  if (progress.retransmits.value_or(0) > in.policy.value(kMostRetransmits) * progress.segs_out.value_or(0))
    return std::nullopt;
  Bursts out{.row = &row, .lost_rounds = {}, .window_before = {}, .window_at_start = {}, .bytes = {}, .idle_ms = {}};
  const std::vector<const PastRow*> history = past.history(row);
  for (std::size_t i = 0; i + 1 < history.size(); ++i) add_burst(past, i, history[i], history[i + 1], out);
  if (static_cast<double>(out.lost_rounds.size()) < in.policy.value(kMinBursts)) return std::nullopt;
  if (out.lost_ms() < in.policy.value(kMinLost) * 1000) return std::nullopt;
  return out;
}

Finding finding_for(const Evidence& in, const Past& past, const FlowGroup& flows, const Bursts& worst, double bursts) {
  const Sample& now = in.now();
  const double rtt_ms = worst.row->min_rtt_us.value_or(0) / 1000.0, lost_rounds = worst.lost_rounds.percentile(50);
  Finding finding;
  finding.id = "slow-start-after-idle";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope = flows.scope;
  const std::string who = process_text(finding.scope);
  finding.title = fmt::format("{} begins slowly after each pause: about {:.0f} ms more for a burst of {} to {}", who,
                              worst.lost_ms(), human_bytes(static_cast<std::uint64_t>(worst.bytes.percentile(50))),
                              peers_text(flows));
  finding.confidence = Confidence::medium;
  finding.confidence_why =
      "the congestion window before each pause, its length and the burst after it were seen; how far the window fell "
      "is "
      "the kernel's own formula";
  std::string source = source_of(now, FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    Measurement one = measured(in.window, metric, source, value, unit, threshold);
    one.window_s = past.span_s();
    one.samples = past.samples();
    finding.evidence.push_back(std::move(one));
  };
  say("bursts_after_a_pause", bursts, "count", in.policy.value(kMinBursts));
  say("lost_time_per_burst", worst.lost_ms(), "ms", in.policy.value(kMinLost) * 1000);
  say("cwnd_before_pause", worst.window_before.percentile(50), "segments");
  say("cwnd_after_pause", worst.window_at_start.percentile(50), "segments");
  say("pause", worst.idle_ms.percentile(50), "ms", *worst.row->rto_us / 1000.0);
  say("min_rtt", rtt_ms, "ms", in.policy.value(kMinRtt) * 1000);
  finding.meaning = fmt::format(
      "After a pause of more than one retransmission time-out ({:.0f} ms) {} halves the congestion window once for "
      "each, "
      "down to 10 segments: {:.0f} become {:.0f}. The burst that follows needs {:.0f} round trips more.",
      *worst.row->rto_us / 1000.0, worst.row->congestion_control, worst.window_before.percentile(50),
      worst.window_at_start.percentile(50), lost_rounds);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::sysctl;
  cure.text = fmt::format(
      "{} = 0 in this namespace keeps the window over pauses. Only where the path is much the same after a pause: the "
      "first burst then arrives at full size.",
      kKnob);
  Change change = Change::in(now, finding.scope.netns, kKnob);
  change.current = change.upper = {1};
  change.lower = change.target = {0};
  cure.change = std::move(change);
  cure.applicability = Applicability::needs_review;
  cure.formula =
      fmt::format("{:.0f} round trips from {:.0f} segments instead of {:.0f} from {:.0f} x {:.1f} ms = {:.0f} ms",
                  rounds(worst.window_at_start.percentile(50), worst.window_before.percentile(50),
                         worst.bytes.percentile(50) / *worst.row->mss),
                  worst.window_at_start.percentile(50),
                  rounds(worst.window_before.percentile(50), worst.window_before.percentile(50),
                         worst.bytes.percentile(50) / *worst.row->mss),
                  worst.window_before.percentile(50), rtt_ms, worst.lost_ms());
  cure.expected_effect =
      Recommendation::Effect{.metric = "lost_time_per_burst", .from = std::round(worst.lost_ms()), .to = 0};
  cure.steps = {"for one destination alone: ip route change … initcwnd N; new connections then begin with N as well",
                "where the first bursts get lost, pace them: fq, or bbr, which keeps a pace of its own"};
  cure.verify =
      "the time of a burst falls, and the share of retransmissions stays (tcpadvisor report --only "
      "slow-start-after-idle)";
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, net.ipv4.tcp_rmem", "no buffer is full at the start of a burst"},
      {"net.ipv4.tcp_no_metrics_save", "concerns new connections; this one is open"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = progress_problem(in, kFewestLooks); !problem.empty()) return Outcome::unknown(problem);
  const Past past = recent(in, kLeastS);
  FlowGroups groups;
  std::map<const SocketRow*, Bursts> found;
  std::uint64_t looked = 0, unread = 0;
  for (const SocketRow& row : now.sockets) {
    looked += row.state == TcpState::established ? 1 : 0;
    auto bursts = bursts_of(in, past, row);
    if (!bursts) continue;
    auto setting = sysctl_value(now, row.netns, kKnob);
    unread += setting ? 0 : 1;
    if (setting.value_or(0) != 1) continue;
    found.emplace(&row, std::move(*bursts));
    groups.add(now, row);
  }
  std::vector<Finding> findings;
  for (const FlowGroup& flows : groups.take()) {
    const Bursts* worst = nullptr;
    double bursts = 0;
    for (const SocketRow* row : flows.rows) {
      const Bursts& one = found[row];
      bursts += static_cast<double>(one.lost_rounds.size());
      if (worst == nullptr || one.lost_ms() > worst->lost_ms()) worst = &one;
    }
    if (worst != nullptr) findings.push_back(finding_for(in, past, flows, *worst, bursts));
  }
  std::string hidden;
  if (unread > 0) hidden = fmt::format("{} is not known where {} begin slowly", kKnob, counted(unread, "connection"));
  return Outcome::of(std::move(findings), std::move(hidden), "connections that lose their window in pauses",
                     fmt::format("0 of {}", with_commas(looked)));
}

constexpr std::array kThresholds = {kMinRtt, kMinBursts, kMinLost, kMostRetransmits};
constexpr std::array<std::string_view, 2> kReferences = {"ip-sysctl: tcp_slow_start_after_idle",
                                                         "RFC 5681 section 4.1 (restarting idle connections)"};

}  // namespace
}  // namespace slow_start_idle_rule

namespace rules {

extern const Rule slow_start_after_idle = {
    .id = "slow-start-after-idle",
    .title = "bursts begin slowly after each pause",
    .explanation =
        "With tcp_slow_start_after_idle the kernel shrinks the congestion window of a connection that has paused for "
        "longer than its retransmission time-out. Bursts over a long path then need several round trips more, each "
        "time. bbr does not do so.",
    .thresholds = slow_start_idle_rule::kThresholds,
    .references = slow_start_idle_rule::kReferences,
    .covers = {.each = EachOf::flows},
    .judge = slow_start_idle_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
