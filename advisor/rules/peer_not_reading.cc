// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/stuck_sender.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace peer_not_reading_rule {
namespace {

constexpr Threshold kMinWaiting =
    size_threshold("min_waiting", 65'536).clears_at(0.5);  // in Send-Q; less is told as info

void add_evidence(const Evidence& in, const StuckSender& sender, Finding& finding) {
  const Window& window = in.window;
  std::string source = source_of(in.now(), FactId::snapshot);
  auto add = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(window, metric, source, value, unit, threshold));
  };
  std::uint64_t not_sent = 0, window_bytes = 0, probes = 0;
  double busy_us = 0, limited_us = 0;
  for (const SocketRow* row : sender.rows) {
    not_sent = add_sat(not_sent, row->not_sent.value_or(0));
    window_bytes = std::max(window_bytes, std::uint64_t{row->snd_wnd.value_or(0)});
    probes = std::max(probes, std::uint64_t{row->probes_out.value_or(0)});
    busy_us += static_cast<double>(row->busy_us.value_or(0));
    limited_us += static_cast<double>(row->rwnd_limited_us.value_or(0));
  }
  add("send_q", static_cast<double>(sender.waiting), "bytes", in.policy.value(kMinWaiting));
  add("not_sent", static_cast<double>(not_sent), "bytes");
  add("stuck_for", sender.stuck_s, "s", stuck_long_enough_s(in.policy));
  add("window_closed", sender.closed_share, "ratio of samples", in.policy.value(kClosedShare));
  add("peer_window", static_cast<double>(window_bytes), "bytes");
  if (busy_us > 0) add("limited_by_peer_window", std::min(1.0, limited_us / busy_us), "ratio of busy time");
  if (probes > 0) add("probes_unanswered", static_cast<double>(probes), "count");
}

void say_cure(const StuckSender& sender, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  if (sender.closed) {
    cure.text =
        "Nothing here: the program has closed, and the kernel gives up by itself. To give up sooner, let the program "
        "set SO_LINGER or TCP_USER_TIMEOUT before it closes.";
  } else {
    cure.text = fmt::format(
        "The program at the other end has to read ({}). In this one: give up on a peer that takes nothing for too "
        "long, and bound what is kept for it.",
        sender.peer);
    cure.steps.push_back(
        "in this program: a time-out for writes, or setsockopt TCP_USER_TIMEOUT: the kernel then ends a connection "
        "whose peer has taken nothing for so long, although it answers the probes");
  }
  cure.steps.push_back("at the other end: see why its program does not read (ss -tnp: Recv-Q stands there)");
  cure.verify = "tcpadvisor report --only peer-not-reading: Send-Q falls, the peer's window opens";
}

Finding finding_for(const Evidence& in, const StuckSender& sender) {
  Finding finding;
  finding.id = "peer-not-reading";
  finding.topic = sender.closed ? "closed" : "";
  finding.finding_class = FindingClass::peer;
  finding.scope = sender.scope;
  const bool much = static_cast<double>(sender.waiting) >= in.policy.value(kMinWaiting);
  finding.severity = much && !sender.closed && !sender.asked ? Severity::warning : Severity::info;
  const std::string_view reads = sender.taken ? "reads too slowly" : "does not read";
  const std::string bytes = human_bytes(sender.waiting), sockets = counted(sender.rows.size(), "socket");
  if (sender.closed) {
    finding.title = fmt::format("{} {}: {} wait in {} that the program has closed", sender.peer, reads, bytes, sockets);
  } else {
    finding.title = fmt::format("{} {}: {} of {} wait in Send-Q on {}", sender.peer, reads, bytes,
                                process_text(sender.scope), sockets);
  }
  finding.confidence_why = fmt::format("its window is closed, and it took no byte for {}{}",
                                       seconds_text(sender.stuck_s), " although this side wants to send");
  if (sender.asked) {
    finding.confidence_why += "; but this side does not read what the peer answers, and it may wait for that";
  }
  add_evidence(in, sender, finding);
  bool half_closed = std::ranges::all_of(sender.rows, [](const SocketRow* row) {
    return row->state == TcpState::close_wait || row->state == TcpState::last_ack;
  });
  finding.meaning =
      "The other end's kernel takes part in the connection, but its program takes nothing, so it announces no room. "
      "What waits here stays; writes block or return EAGAIN until it reads or somebody closes." +
      std::string(half_closed ? " It has also shut down its own sending half, and may never come back." : "");
  say_cure(sender, finding);
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, SO_SNDBUF", "a larger buffer holds more of what nobody reads"},
      {"net.ipv4.tcp_retries2", "counts segments without an answer; this peer's kernel answers"},
      {"net.ipv4.tcp_keepalive_*", "is silent while data waits, and the peer's kernel is alive"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  if (std::string problem = snapshot_problem(in.now()); !problem.empty()) return Outcome::unknown(problem);
  if (in.window.samples() < 2) return Outcome::unknown(too_few_samples(in.window, 2));
  StuckSenders stuck = stuck_senders(in);
  std::vector<Finding> findings;
  findings.reserve(stuck.senders.size());
  for (const StuckSender& sender : stuck.senders) findings.push_back(finding_for(in, sender));
  return Outcome::of(std::move(findings), std::move(stuck.not_assessed),
                     "sockets with a full Send-Q whose peers take nothing",
                     fmt::format("0 of {} that send", with_commas(stuck.watched)));
}

constexpr std::array kThresholds = {kStuckSenderFor, kClosedShare, kMinWaiting};
constexpr std::array<std::string_view, 2> kReferences = {"RFC 9293 section 3.8.6.1 (zero-window probing)",
                                                         "tcp(7): TCP_USER_TIMEOUT"};
// The program's own queue tells the whole story; a reader on this host is who has to act.
constexpr std::array kExplainedBy = {
    ExplainedBy{"pending-shutdown-data", Link::same_flow, Then::remove},
    ExplainedBy{"user-queue-unbounded", Link::same_flow, Then::remove},
    ExplainedBy{"user-queue-watermark", Link::same_flow, Then::remove},
    ExplainedBy{"so-linger-misuse", Link::same_flow, Then::lower, "close() waits for it, see {rule}"},
    kProcessStopped,
    kPeerStopped,
    ExplainedBy{"reader-too-slow", Link::relayed, Then::lower,
                "its peer only passes the data on, and waits for {who}, which does not read"},
    ExplainedBy{"reader-too-slow", Link::waits_for, Then::lower, "{who}, on this host, does not read"},
    ExplainedBy{"fd-limit-reached", Link::waits_for, Then::lower, "{who}, on this host, cannot accept"},
    ExplainedBy{"accept-queue-app-slow", Link::waits_for, Then::lower, "{who}, on this host, does not accept"},
    ExplainedBy{"listener-never-accepts", Link::waits_for, Then::lower, "{who}, on this host, does not accept"},
};

}  // namespace
}  // namespace peer_not_reading_rule

namespace rules {

extern const Rule peer_not_reading = {
    .id = "peer-not-reading",
    .title = "a peer does not read what is sent to it",
    .explanation =
        "Data waits in Send-Q, the peer's window is closed and stays so: its kernel answers, its program does not "
        "read. No setting of this host makes it read; the program that sends decides how long it waits and how much "
        "it keeps.",
    .thresholds = peer_not_reading_rule::kThresholds,
    .references = peer_not_reading_rule::kReferences,
    .explained_by = peer_not_reading_rule::kExplainedBy,
    .covers = {.each = EachOf::what_waits},
    .judge = peer_not_reading_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
