// SPDX-License-Identifier: Apache-2.0
// Options of listeners and clients that begin a connection in another way: TCP_DEFER_ACCEPT and TCP Fast Open.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace defer_fastopen_rule {
namespace {

constexpr std::string_view kId = "defer-fastopen-lint";
constexpr Threshold kMinEvents = count_threshold("min_events", 10, "segments").clears_at(0.5);
constexpr Threshold kSilentFor = time_threshold("silent_for", 1);  // on average; a client that asks soon waits for less
constexpr std::string_view kDefer = "TcpExt.TCPDeferAcceptDrop", kQueue = "TcpExt.TCPFastOpenListenOverflow",
                           kHole = "TcpExt.TCPFastOpenBlackhole";

Finding remark(const Evidence& in, const NetnsSample& netns, std::string topic, FindingClass blame) {
  Finding finding = finding_of_netns(in.now(), netns, kId);
  finding.topic = std::move(topic);
  finding.severity = Severity::info;
  finding.finding_class = blame;
  finding.confidence = Confidence::medium;
  return finding;
}

/// If one program has all the listeners here, it is the one.
void name_server(const Evidence& in, const NetnsSample& netns, Finding& finding) {
  const SocketRow* server = only_server(in, netns.id);
  if (server == nullptr) return;
  finding.scope = scope_of_listener(in.now(), *server);
  finding.scope.kind = ScopeKind::process;
}

/// Each connection that is put off costs one count, whether its client asks at once or never: how long they stay half
/// open tells them apart. Those that are half open now came in that time (Little's law).
std::optional<Finding> silent_clients(const Evidence& in, const NetnsSample& netns, const Counted& put_off) {
  if (put_off.times < in.policy.value(kMinEvents) || put_off.per_s <= 0) return std::nullopt;
  const auto waiting = static_cast<double>(
      add_sat(netns.states[index_of(TcpState::new_syn_recv)].count, netns.states[index_of(TcpState::syn_recv)].count));
  const double waits_s = waiting / put_off.per_s;
  if (waits_s < in.policy.value(kSilentFor)) return std::nullopt;
  // Whoever floods never answers, so that nothing is put off; those are half open as well.
  if (in.window.increase(netns.id, "TcpExt.SyncookiesSent").value_or(0) > 0) return std::nullopt;
  Finding finding = remark(in, netns, "defer-accept", FindingClass::application);
  name_server(in, netns, finding);
  finding.scope.count = to_u64(waiting);
  finding.title = fmt::format("Clients connect and then say nothing for {}: TCP_DEFER_ACCEPT keeps {} from accept()",
                              seconds_text(waits_s), counted(to_u64(waiting), "connection"));
  finding.confidence_why = "the kernel counts those that it puts off, and so many are half open";
  finding.evidence.push_back(
      measured(in.window, "put_off", std::string(kDefer), put_off.times, "segments", in.policy.value(kMinEvents)));
  finding.evidence.push_back(
      measured(in.window, "half_open", source_of(in.now(), FactId::snapshot), waiting, "connections"));
  finding.evidence.push_back(
      measured(in.window, "silent_for", "half open / put off per second", waits_s, "s", in.policy.value(kSilentFor)));
  finding.meaning =
      "With TCP_DEFER_ACCEPT a connection reaches accept() when the client has sent something. One that waits for the "
      "server to speak first believes that it is connected, and waits until that time is over.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text =
      "Where the server speaks first (SMTP, SSH, MySQL), do not set TCP_DEFER_ACCEPT; elsewhere a second or two is "
      "enough. Clients that open connections in advance are harmless.";
  cure.steps.push_back(fmt::format("{}ss -tn state syn-recv: who is waiting", in_netns(in.now(), netns.id)));
  cure.verify = fmt::format("{}nstat -az TcpExtTCPDeferAcceptDrop TcpPassiveOpens", in_netns(in.now(), netns.id));
  finding.not_useful = {
      {"net.ipv4.tcp_max_syn_backlog, net.core.somaxconn", "no queue was full: they are put off on purpose"},
      {"net.ipv4.tcp_synack_retries", "how often such a client is asked again; the program's option decides how long"}};
  return finding;
}

std::optional<Finding> queue_full(const Evidence& in, const NetnsSample& netns, const Counted& refused) {
  if (refused.times < in.policy.value(kMinEvents)) return std::nullopt;
  Finding finding = remark(in, netns, "fastopen-queue", FindingClass::application);
  name_server(in, netns, finding);
  finding.title =
      fmt::format("{} with data came while the queue of TCP Fast Open was full", counted(to_u64(refused.times), "SYN"));
  finding.confidence_why = "the kernel counts them for the namespace, not for each listener";
  finding.evidence.push_back(
      measured(in.window, "queue_full", std::string(kQueue), refused.times, "segments", in.policy.value(kMinEvents)));
  if (auto taken = in.window.increase(netns.id, "TcpExt.TCPFastOpenPassive")) {
    finding.evidence.push_back(measured(in.window, "opened_fast", "TcpExt.TCPFastOpenPassive", *taken, "connections"));
  }
  finding.meaning =
      "Nothing is lost: their handshakes take the usual round trip, and the data is sent again. The limit protects the "
      "program from requests with a false sender.";
  finding.recommendation.kind = RecommendationKind::application;
  finding.recommendation.text =
      "If these clients are known, give setsockopt(TCP_FASTOPEN) a larger number: requests that come in one round "
      "trip.";
  finding.recommendation.verify =
      fmt::format("{}nstat -az TcpExtTCPFastOpenListenOverflow stands still", in_netns(in.now(), netns.id));
  finding.not_useful = {{"net.core.somaxconn, the listen() backlog",
                         "bounds the number of TCP_FASTOPEN from above, and does not raise it"},
                        {"net.ipv4.tcp_fastopen", "says whether Fast Open is used, not for how many at a time"}};
  return finding;
}

std::optional<Finding> switched_off(const Evidence& in, const NetnsSample& netns, const Counted& holes) {
  if (holes.times < 1) return std::nullopt;
  Finding finding = remark(in, netns, "fastopen-blackhole", FindingClass::network_path);
  finding.title = "Connections of this namespace do without TCP Fast Open for a while: a path lost its data";
  finding.confidence_why = "the kernel switches it off when connections that it opened so end badly, and counts that";
  finding.evidence.push_back(measured(in.window, "switched_off", std::string(kHole), holes.times, "count", 1));
  if (auto failed = in.window.increase(netns.id, "TcpExt.TCPFastOpenActiveFail")) {
    finding.evidence.push_back(measured(in.window, "failed", "TcpExt.TCPFastOpenActiveFail", *failed, "connections"));
  }
  finding.meaning =
      "Firewalls that do not know SYNs with data drop them, or the answers. The kernel then connects to everybody "
      "without, for tcp_fastopen_blackhole_timeout_sec and twice as long each time; a connection costs one round trip "
      "more, and works.";
  finding.recommendation.text = "Change nothing, or let the program connect without TCP Fast Open.";
  finding.not_useful = {
      {"net.ipv4.tcp_fastopen_blackhole_timeout_sec = 0", "never switches it off: connections through that path hang"}};
  return finding;
}

Outcome judge_defer_fastopen(const Evidence& in) {
  struct Topic {
    std::string_view counter;
    std::optional<Finding> (*judge)(const Evidence&, const NetnsSample&, const Counted&);
  };
  constexpr std::array kTopics = {Topic{kDefer, silent_clients}, Topic{kQueue, queue_full}, Topic{kHole, switched_off}};
  std::vector<Finding> findings;
  std::string not_assessed;
  for (const Topic& topic : kTopics) {
    Outcome one = judge_counter(in, topic.counter, "", [&](const NetnsSample& netns, const Counted& counted) {
      return topic.judge(in, netns, counted);
    });
    std::ranges::move(one.findings, std::back_inserter(findings));
    if (not_assessed.empty()) not_assessed = one.not_assessed;
  }
  auto times = [&](std::string_view counter) { return in.window.increase(counter).value_or(0); };
  return Outcome::of(
      std::move(findings), std::move(not_assessed),
      "handshakes that TCP_DEFER_ACCEPT put off, that found Fast Open's queue full, that switched it off",
      fmt::format("{:.0f}, {:.0f} and {:.0f} in {}", times(kDefer), times(kQueue), times(kHole),
                  seconds_text(in.window.span_s())));
}

constexpr std::array kThresholds = {kMinEvents, kSilentFor};
constexpr std::array<std::string_view, 3> kReferences = {"net/ipv4/tcp_minisocks.c: tcp_check_req",
                                                         "net/ipv4/tcp_fastopen.c", "tcp(7): TCP_DEFER_ACCEPT"};

}  // namespace
}  // namespace defer_fastopen_rule

namespace rules {

extern const Rule defer_fastopen_lint = {
    .id = defer_fastopen_rule::kId,
    .title = "TCP_DEFER_ACCEPT and TCP Fast Open that do not help",
    .explanation =
        "Both options save a step at the beginning of a connection, if its other end plays along. Where it does not, "
        "connections take the usual way or wait; nothing is lost.",
    .thresholds = defer_fastopen_rule::kThresholds,
    .references = defer_fastopen_rule::kReferences,
    .judge = defer_fastopen_rule::judge_defer_fastopen,
};

}  // namespace rules
}  // namespace tcpadvisor
