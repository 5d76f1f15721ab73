// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr Threshold kMinDrops = count_threshold("min_drops", 5, "segments");  // a stray segment or two are no topic

/// A counter of the kernel that tells why segments for a listener were refused, and what to do about it.
struct Cause {
  std::string_view counter, what, cure;
  FindingClass blame;
};
constexpr std::string_view kSetKey = "Give both ends the same key for this address (TCP_MD5SIG or TCP-AO), or neither.";
constexpr std::array kCauses = {
    Cause{"TcpExt.TCPMD5NotFound", "the MD5 signature is missing", kSetKey, FindingClass::application},
    Cause{"TcpExt.TCPMD5Unexpected", "an MD5 signature came, and none is expected", kSetKey, FindingClass::application},
    Cause{"TcpExt.TCPMD5Failure", "the MD5 signature is wrong", kSetKey, FindingClass::application},
    Cause{"TcpExt.TCPAOKeyNotFound", "no TCP-AO key fits", kSetKey, FindingClass::application},
    Cause{"TcpExt.TCPAOBad", "the TCP-AO signature is wrong", kSetKey, FindingClass::application},
    Cause{"TcpExt.TCPAORequired", "the TCP-AO signature is missing", kSetKey, FindingClass::application},
    Cause{"TcpExt.TCPReqQFullDrop", "the SYN queue is full and SYN cookies are off",
          "Set net.ipv4.tcp_syncookies = 1 in this namespace, and find out who opens so many.", FindingClass::attack},
    Cause{"TcpExt.TCPMinTTLDrop", "the segment's TTL is below IP_MINTTL",
          "The peer is more hops away than the program allows: correct one of them.", FindingClass::application},
};

const Cause* cause_of(const Window& window, NetnsId netns, double& times) {
  const Cause* most = nullptr;
  for (const Cause& cause : kCauses) {
    double here = window.increase(netns, std::string(cause.counter)).value_or(0);
    if (here <= (most == nullptr ? 0 : times)) continue;
    most = &cause;
    times = here;
  }
  return most;
}

Finding finding_for(const Evidence& in, const QueueHistory& queue) {
  const Window& window = in.window;
  const SocketRow& listener = *queue.listener;
  double times = 0;
  const Cause* cause = cause_of(window, listener.netns, times);
  Finding finding;
  finding.id = "syn-drops-not-overflow";
  finding.severity = cause == nullptr ? Severity::info : Severity::warning;
  finding.finding_class = cause == nullptr ? FindingClass::network_path : cause->blame;
  finding.scope = scope_of_listener(in.now(), listener);
  finding.title = fmt::format(
      "{} segments for {} on {} were refused: {}", with_commas(to_u64(*queue.drops)), process_text(finding.scope),
      port_text(listener), cause == nullptr ? "its queue had room, and nothing visible here tells why" : cause->what);
  finding.confidence = cause == nullptr ? Confidence::low : Confidence::medium;
  finding.confidence_why = cause == nullptr ? "a filter on the socket, no route back or a stray segment look the same"
                                            : "the counter is the namespace's, the drops are this listener's";
  finding.evidence.push_back(measured(window, "drops", source_of(in.now(), FactId::snapshot), *queue.drops, "segments",
                                      in.policy.value(kMinDrops)));
  finding.evidence.push_back(
      measured(window, "overflows_in_netns", "TcpExt.ListenOverflows", queue.overflows.value_or(0), "connections"));
  if (cause != nullptr) {
    finding.evidence.push_back(
        measured(window, "refused_for_this_cause", std::string(cause->counter), times, "segments"));
  }
  finding.meaning =
      "A listener's drop counter grows for every segment that it refuses. No connection was refused for want of room, "
      "so a longer queue changes nothing.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = cause == nullptr ? "Find out what refuses them before you change anything." : std::string(cause->cure);
  std::string prefix = in_netns(in.now(), listener.netns);
  cure.steps.push_back(fmt::format("{}nstat -az | grep -E 'TCPMD5|TCPAO|ReqQFull|MinTTL|Listen'", prefix));
  cure.verify = fmt::format("{}ss -ltnm 'sport = :{}': d of skmem no longer grows", prefix, listener.local.port);
  finding.not_useful = {{"net.core.somaxconn, the listen() backlog", "the queue had room for all of them"},
                        {"net.ipv4.tcp_max_syn_backlog", "no SYN was refused for want of room there"}};
  return finding;
}

Outcome judge_syn_drops(const Evidence& in) {
  std::vector<QueueHistory> queues = all_queues(in.window);
  std::vector<Finding> findings;
  std::string not_assessed = listener_problem(in.window, queues);
  double most = 0;
  for (const QueueHistory& queue : queues) {
    if (!queue.known() || !queue.drops_are_exact) continue;
    if (!queue.overflowed()) most = std::max(most, *queue.drops);
    if (!queue.overflowed() && *queue.drops >= in.policy.value(kMinDrops)) findings.push_back(finding_for(in, queue));
  }
  bool inexact = std::ranges::any_of(queues, [](const QueueHistory& queue) { return !queue.drops_are_exact; });
  if (not_assessed.empty() && inexact) {
    not_assessed = fmt::format("{} does not tell what a listener refuses", source_of(in.now(), FactId::snapshot));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "segments that a listener with room refused",
                     fmt::format("{:.0f} in {}", most, seconds_text(in.window.span_s())));
}

constexpr std::array kThresholds = {kMinDrops};
constexpr std::array<std::string_view, 1> kReferences = {"net/ipv4/tcp_ipv4.c: tcp_v4_rcv, tcp_inbound_hash"};

}  // namespace

namespace rules {

extern const Rule syn_drops_not_overflow = {
    .id = "syn-drops-not-overflow",
    .title = "a listener with room refuses segments",
    .explanation =
        "Segments for a listener were dropped although its accept queue had room: a wrong or missing signature, a full "
        "SYN queue without cookies, a filter, no route back. A longer backlog helps against none of these.",
    .thresholds = kThresholds,
    .references = kReferences,
    .judge = judge_syn_drops,
};

}  // namespace rules
}  // namespace tcpadvisor
