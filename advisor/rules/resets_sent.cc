// SPDX-License-Identifier: Apache-2.0
// Why this host sends resets: so that nobody tunes anything because of their number.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace resets_sent_rule {
namespace {

constexpr Threshold kManyResets = count_threshold("many_resets", 100, "segments").clears_at(0.5);  // fewer are no topic
constexpr std::string_view kCounter = "Tcp.OutRsts";
constexpr double kSameTime = 0.2;  // two counts of the same resets differ by so much at most
constexpr std::size_t kMostReasons = 5;

/// A reason that a counter of the namespace tells.
struct Kind {
  std::string_view metric, counter, what;
};
constexpr std::array kKinds = {
    Kind{"unread_at_close", "TcpExt.TCPAbortOnClose", "closed with data unread (rst-on-close-unread tells more)"},
    Kind{"after_close", "TcpExt.TCPAbortOnData", "closed with SO_LINGER 0, or data came after close()"},
    Kind{"linger2", "TcpExt.TCPAbortOnLinger", "closed with a negative TCP_LINGER2"},
    Kind{"no_memory", "TcpExt.TCPAbortOnMemory", "no memory for connections that nobody holds"},
};
constexpr std::string_view kRest =
    "answers to segments that no connection expects: a closed port, or a connection that has ended";

struct Part {
  std::string metric, source, what;
  double times = 0;
};

/// Of one namespace, by the kernel's counters; what none of them tells is the rest.
std::vector<Part> parts_by_counter(const Window& window, NetnsId netns, double all) {
  std::vector<Part> out;
  double told = 0;
  for (const Kind& kind : kKinds) {
    double times = std::min(window.increase(netns, kind.counter).value_or(0), all - told);
    if (times <= 0) continue;
    told += times;
    out.push_back({std::string(kind.metric), std::string(kind.counter), std::string(kind.what), times});
  }
  if (all > told) out.push_back({"nobody_expects", std::string(kCounter), std::string(kRest), all - told});
  return out;
}

/// The kernel's own reasons, where they are known and are those of this namespace: they are counted for the whole host,
/// since the agent began to look.
std::vector<Part> parts_by_reason(const Evidence& in, double here) {
  const auto& life = in.now().lifecycle;
  auto everywhere = in.window.increase(kCounter);
  if (!life || !everywhere || here < (1 - kSameTime) * *everywhere) return {};
  double all = 0;
  std::vector<Part> out;
  for (const auto& [reason, count] : life->resets_sent) {
    all += static_cast<double>(count);
    if (reason == "unknown" || count == 0) continue;
    std::string metric = "reason_" + reason;
    std::ranges::transform(metric, metric.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.push_back({std::move(metric), source_of(in.now(), FactId::resets), reason, static_cast<double>(count)});
  }
  if (all < (1 - kSameTime) * here || all > (1 + kSameTime) * here) return {};
  std::ranges::stable_sort(out, std::greater(), &Part::times);
  if (out.size() > kMostReasons) out.resize(kMostReasons);
  return out;
}

Finding finding_for(const Evidence& in, const NetnsSample& netns, const Counted& sent) {
  Finding finding = finding_of_netns(in.now(), netns, "reset-attribution");
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::network_path;
  std::vector<Part> parts = parts_by_counter(in.window, netns.id, sent.times);
  const Part& most = *std::ranges::max_element(parts, {}, &Part::times);
  finding.title = fmt::format("{} sent, {:.0f} % of them {}", counted(to_u64(sent.times), "reset") + " were",
                              100 * most.times / sent.times, most.what);
  finding.confidence = Confidence::medium;
  finding.confidence_why = "counters tell why some were sent; the rest is what no counter tells";
  finding.evidence.push_back(
      measured(in.window, "resets_sent", std::string(kCounter), sent.times, "segments", in.policy.value(kManyResets)));
  for (const Part& part : parts) {
    finding.evidence.push_back(measured(in.window, part.metric, part.source, part.times, "segments"));
  }
  for (const Part& part : parts_by_reason(in, sent.times)) {
    finding.evidence.push_back(measured(in.window, part.metric, part.source, part.times, "segments"));
  }
  for (const auto& [metric, counter] :
       {std::pair("attempts_failed", "Tcp.AttemptFails"), std::pair("connections_reset", "Tcp.EstabResets")}) {
    if (auto times = in.window.increase(netns.id, counter)) {
      finding.evidence.push_back(measured(in.window, metric, counter, *times, "connections"));
    }
  }
  finding.meaning =
      "A reset is an answer, not a fault of TCP: port scans, checks of load balancers, clients of a service that has "
      "stopped, and programs that end connections this way all cause them.";
  Recommendation& cure = finding.recommendation;
  cure.text = "Change nothing.";
  cure.steps.emplace_back("to whom: bpftrace -e 'tracepoint:tcp:tcp_send_reset { @[args->sport] = count(); }'");
  finding.not_useful = {{"dropping resets in a packet filter", "peers then wait for a time-out instead of an answer"},
                        {"net.ipv4.tcp_rfc1337, net.ipv4.tcp_challenge_ack_limit", "are about resets that come in"}};
  return finding;
}

Outcome judge_resets_sent(const Evidence& in) {
  return judge_counter(in, kCounter, "resets sent by one namespace",
                       [&](const NetnsSample& netns, const Counted& sent) -> std::optional<Finding> {
                         if (sent.times < in.policy.value(kManyResets)) return std::nullopt;
                         return finding_for(in, netns, sent);
                       });
}

constexpr std::array kThresholds = {kManyResets};
constexpr std::array<std::string_view, 2> kReferences = {"include/net/rstreason.h", "RFC 9293, 3.5.2"};

}  // namespace
}  // namespace resets_sent_rule

namespace rules {

extern const Rule reset_attribution = {
    .id = "reset-attribution",
    .title = "why resets are sent",
    .explanation =
        "Tcp.OutRsts counts all resets that a namespace sends, and alarms are often set on it. Nearly all of them are "
        "normal. This says what they answer, as far as the kernel tells.",
    .thresholds = resets_sent_rule::kThresholds,
    .references = resets_sent_rule::kReferences,
    .judge = resets_sent_rule::judge_resets_sent,
};

}  // namespace rules
}  // namespace tcpadvisor
