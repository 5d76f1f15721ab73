// SPDX-License-Identifier: Apache-2.0
// Messages that wait in a program's own Send-Q, behind what it has written before, longer than the path needs for them.
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
namespace send_queue_delay_rule {
namespace {

constexpr std::string_view kId = "send-queue-bufferbloat", kKnob = "net.ipv4.tcp_notsent_lowat";
constexpr Threshold kMinUnsent = size_threshold("min_unsent", 128 * 1024).clears_at(0.5);
constexpr Threshold kMinWait =
    time_threshold("min_wait", 0.050).clears_at(0.6);                 // that a message waits before it leaves
constexpr Threshold kMessage = size_threshold("message", 16 * 1024);  // writes below it are messages, not bulk
constexpr Threshold kMostMessages = ratio_threshold("messages", 0.9).clears_at(0.9);  // of the writes
constexpr double kLimited = 0.10;       // of the busy time: else the peer's window or the send buffer is the topic
constexpr double kMinRate = 64 * 1024;  // bytes per second
constexpr double kNetworkGrowth = 2;    // of min_rtt: what waits in the network is worth a word
constexpr std::int64_t kLowat = 131'072;
constexpr std::int64_t kLeastLowat = 16'384;  // for requests and answers only: it costs more wake-ups

struct Waiting {
  double unsent = 0, rate = 0;  ///< bytes, bytes per second
  double messages = 0;          ///< share of the writes
  double srtt_us = 0, min_rtt_us = 0;
  bool answered = false;  ///< the other end says something, too: somebody waits for an answer here
  double wait_s() const { return unsent / rate; }
};

struct WaitingFlows {
  std::vector<const SocketRow*> rows;
  Waiting worst;
};

/// Of the writes, how many are smaller than a message may be; nothing before the first.
std::optional<double> share_of_messages(const Policy& policy, const CallStats& send) {
  constexpr std::size_t kFirstSize = 3;  // slot 3 + k counts sizes from 2^k on
  double all = 0, small = 0, size = 1;
  for (std::size_t slot = kFirstSize; slot < kCallSlots; ++slot, size *= 2) {
    all += send.slots[slot];
    if (2 * size <= policy.value(kMessage)) small += send.slots[slot];
  }
  return all > 0 ? std::optional(small / all) : std::nullopt;
}

bool held_by_window(const Past& part, const SocketRow& row) {
  double busy = field(part, row, &PastRow::busy_us).increase();
  return field(part, row, &PastRow::rwnd_limited_us).increase() > kLimited * busy ||
         field(part, row, &PastRow::sndbuf_limited_us).increase() > kLimited * busy;
}

/// Nothing unless in every window so much waits so long.
std::optional<Waiting> waiting(const Evidence& in, const PolicyWindows& windows, const SocketRow& row) {
  const Policy& policy = in.policy;
  for (const Past& part : windows.parts) {
    Series unsent = field(part, row, &PastRow::not_sent);
    double rate = field(part, row, &PastRow::bytes_acked).increase_per_s();
    if (unsent.empty() || rate < kMinRate || held_by_window(part, row)) return std::nullopt;
    if (unsent.percentile(50) <= std::max(policy.value(kMinUnsent), rate * policy.value(kMinWait))) return std::nullopt;
  }
  return Waiting{.unsent = field(in.window, row, &PastRow::not_sent).percentile(50),
                 .rate = field(in.window, row, &PastRow::bytes_acked).increase_per_s(),
                 .messages = 0,
                 .srtt_us = field(in.window, row, &PastRow::srtt_us).percentile(50),
                 .min_rtt_us = static_cast<double>(row.min_rtt_us.value_or(0)),
                 .answered = field(in.window, row, &PastRow::bytes_received).increase() > 0};
}

Finding finding_for(const Evidence& in, const PolicyWindows& windows, const WaitingFlows& flows) {
  const Window& window = in.window;
  const Sample& now = in.now();
  const SocketRow& first = *flows.rows.front();
  const Waiting& worst = flows.worst;
  Finding finding;
  finding.id = kId;
  finding.severity = worst.answered ? Severity::warning : Severity::info;
  finding.finding_class = FindingClass::application;
  Scope& scope = finding.scope;
  scope.netns = first.netns;
  scope.netns_name = netns_name(now, first.netns);
  scope.cgroup = first.cgroup;
  name_sockets(scope, flows.rows);
  const double rate_mbit = worst.rate * 8 / 1e6, wait_ms = worst.wait_s() * 1000;
  finding.title =
      fmt::format("A message of {} waits {:.0f} ms in its own Send-Q before it leaves", process_text(scope), wait_ms);
  finding.confidence = Confidence::medium;
  finding.confidence_why =
      "its writes are small, as those of messages are; whether anybody waits for one of them only the program knows";
  if (windows.shortened) finding.confidence_why += "; " + windows.why;
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(measured(window, "unsent", source, worst.unsent, "bytes", in.policy.value(kMinUnsent)));
  finding.evidence.push_back(
      measured(window, "wait_before_sending", source, wait_ms, "ms", in.policy.value(kMinWait) * 1000));
  finding.evidence.push_back(measured(window, "rate", source, rate_mbit, "Mbit/s"));
  finding.evidence.push_back(measured(window, "writes_of_messages", source_of(now, FactId::calls), worst.messages,
                                      "ratio", in.policy.value(kMostMessages)));
  finding.evidence.push_back(measured(window, "rtt", source, worst.srtt_us / 1000, "ms"));
  finding.meaning = fmt::format(
      "The kernel takes whatever the program writes, as its send buffer grows with the path: {} wait that were never "
      "sent, and at {:.3g} Mbit/s whatever is written now leaves {:.0f} ms later.",
      human_bytes(to_u64(worst.unsent)), rate_mbit, wait_ms);
  Recommendation& cure = finding.recommendation;
  Change change = Change::in(now, first.netns, kKnob);
  change.current = {sysctl_value(now, first.netns, std::string(kKnob)).value_or(0)};
  change.lower = {kLeastLowat};
  change.target = {kLowat};
  change.upper = {std::max(kLowat, std::min<std::int64_t>(change.current.front(), 1 << 20))};
  cure.kind = RecommendationKind::sysctl;
  cure.applicability = Applicability::needs_review;
  cure.text = fmt::format(
      "Let the program keep what cannot leave yet: {} = {}, or better TCP_NOTSENT_LOWAT on these sockets alone.", kKnob,
      kLowat);
  if (!change.host_netns) cure.steps.push_back("to keep it: " + text_of(change).persist);
  cure.steps.push_back(
      "what the program has not yet written it can still reorder, replace or drop; with poll() or epoll it is woken "
      "when "
      "half of that is left");
  if (worst.min_rtt_us > 0 && worst.srtt_us > kNetworkGrowth * worst.min_rtt_us) {
    cure.steps.push_back(fmt::format(
        "{:.0f} ms more wait in the queue of the path: fq, an AQM there, or bbr shorten that, not this setting",
        (worst.srtt_us - worst.min_rtt_us) / 1000));
  }
  cure.formula = fmt::format("wait = unsent / rate = {} / {:.3g} Mbit/s = {:.0f} ms; with {} at most {:.0f} ms",
                             human_bytes(to_u64(worst.unsent)), rate_mbit, wait_ms, human_bytes(to_u64(kLowat)),
                             static_cast<double>(kLowat) / worst.rate * 1000);
  cure.expected_effect = Recommendation::Effect{
      .metric = "wait_before_sending_ms", .from = wait_ms, .to = static_cast<double>(kLowat) / worst.rate * 1000};
  cure.verify = fmt::format("tcpadvisor report --only {}: fine; the rate is the same within 5 %", kId);
  cure.change = std::move(change);
  finding.not_useful = {
      {"net.ipv4.tcp_wmem", "a smaller maximum slows every long path; a larger one lengthens the wait"},
      {"TCP_NODELAY", "is about small last segments; here much is waiting"}};
  return finding;
}

Outcome judge_send_queue_delay(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  PolicyWindows windows = policy_windows(in.window, in.policy);
  std::map<std::pair<Pid, NetnsId>, WaitingFlows> groups;
  std::uint64_t candidates = 0, unseen = 0;
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::established || row.holder == Holder::unaccepted) continue;
    if (static_cast<double>(row.not_sent.value_or(0)) <= in.policy.value(kMinUnsent)) continue;
    auto lowat = sysctl_value(now, row.netns, std::string(kKnob));
    if (!lowat || *lowat <= kLowat) continue;
    ++candidates;
    if (windows.parts.empty()) continue;
    std::optional<Waiting> found = waiting(in, windows, row);
    if (!found) continue;
    auto messages = row.calls ? share_of_messages(in.policy, row.calls->send) : std::nullopt;
    unseen += messages ? 0 : 1;
    if (messages.value_or(0) < in.policy.value(kMostMessages)) continue;
    found->messages = *messages;
    WaitingFlows& group = groups[{row.owner ? row.owner->pid : 0, row.netns}];
    group.rows.push_back(&row);
    if (group.rows.size() == 1 || found->wait_s() > group.worst.wait_s()) group.worst = *found;
  }
  if (candidates > 0 && windows.parts.empty()) return Outcome::unknown(windows.why);
  std::vector<Finding> findings;
  findings.reserve(groups.size());
  for (const auto& [key, flows] : groups) findings.push_back(finding_for(in, windows, flows));
  std::string hidden;
  if (unseen > 0) {
    hidden = fmt::format("{} with much unsent, but it is not visible whether messages or bulk data wait",
                         counted(unseen, "flow"));
  }
  return Outcome::of(std::move(findings), std::move(hidden), "flows whose messages wait long in Send-Q",
                     fmt::format("0 of {} with much unsent", with_commas(candidates)));
}

constexpr std::array kThresholds = {kMinUnsent, kMinWait, kMessage, kMostMessages};
constexpr std::array<std::string_view, 2> kReferences = {"tcp(7): TCP_NOTSENT_LOWAT", "ip-sysctl: tcp_notsent_lowat"};

constexpr std::string_view kQueueTells = "the program's own queue in front of this one tells more";
constexpr std::array kExplained = {
    ExplainedBy{"user-queue-unbounded", Link::same_flow, Then::lower, kQueueTells},
    ExplainedBy{"user-queue-watermark", Link::same_flow, Then::lower, kQueueTells},
};

}  // namespace
}  // namespace send_queue_delay_rule

namespace rules {

extern const Rule send_queue_delay = {
    .id = send_queue_delay_rule::kId,
    .title = "messages wait in the program's own Send-Q",
    .explanation =
        "The kernel lets a program write far more than can leave. Where it writes messages, each new one waits behind "
        "all that, although the program could still have kept it.",
    .thresholds = send_queue_delay_rule::kThresholds,
    .references = send_queue_delay_rule::kReferences,
    .explained_by = send_queue_delay_rule::kExplained,
    .covers = {.each = EachOf::flows},
    .judge = send_queue_delay_rule::judge_send_queue_delay,
};

}  // namespace rules
}  // namespace tcpadvisor
