// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/dropped.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace syn_drops_rule {
namespace {

constexpr Threshold kMinDrops =
    count_threshold("min_drops", 5, "segments").clears_at(0.5);  // a stray segment or two are no topic
constexpr double kMostOfThem = 0.5;                              // of the drops, to be their cause

/// What the kernel counts where it refuses a segment for a listener, for the namespace and for the very packet, and
/// what to do about it.
struct Cause {
  std::string_view counter, reason, what, cure;  ///< counter: empty if there is none
  FindingClass blame = FindingClass::application;
};
constexpr std::string_view kSetKey = "Give both ends the same key for this address (TCP_MD5SIG or TCP-AO), or neither.";
constexpr std::array kCauses = {
    Cause{"TcpExt.TCPMD5NotFound", "TCP_MD5NOTFOUND", "the MD5 signature is missing", kSetKey},
    Cause{"TcpExt.TCPMD5Unexpected", "TCP_MD5UNEXPECTED", "an MD5 signature came, and none is expected", kSetKey},
    Cause{"TcpExt.TCPMD5Failure", "TCP_MD5FAILURE", "the MD5 signature is wrong", kSetKey},
    Cause{"TcpExt.TCPAOKeyNotFound", "TCP_AOKEYNOTFOUND", "no TCP-AO key fits", kSetKey},
    Cause{"TcpExt.TCPAOBad", "TCP_AOFAILURE", "the TCP-AO signature is wrong", kSetKey},
    Cause{"TcpExt.TCPAORequired", "TCP_AONOTFOUND", "the TCP-AO signature is missing", kSetKey},
    Cause{"TcpExt.TCPMinTTLDrop", "TCP_MINTTL", "the segment's TTL is below IP_MINTTL",
          "The peer is more hops away than the program allows: correct one of them."},
    Cause{"", "SOCKET_FILTER", "a filter on the socket discards them",
          "Correct the filter that the program has set on its socket (SO_ATTACH_FILTER, SO_ATTACH_BPF), or the BPF "
          "program on its cgroup that filters what comes in."},
};

/// Nothing arrived that a program waits for: the kernel took note of it, and of the connection later.
constexpr std::string_view kDeferred = "TcpExt.TCPDeferAcceptDrop";

/// Why one listener refused segments, as far as the counters of its namespace tell.
struct Reason {
  const Cause* cause = nullptr;
  double times = 0;         ///< as often as that counter moved, or packets were dropped for it
  DroppedList told;         ///< of segments for this listener, by the kernel's reason, where a hook counts
  double unanswerable = 0;  ///< SYNs and last ACKs that the kernel could not serve, not for want of room in the queue
  double deferred = 0;      ///< by TCP_DEFER_ACCEPT: on purpose
  double syn_queue_full = 0;
  std::uint64_t in_vain = 0;  ///< attempts of this host to reach this very listener that got no answer
};

Reason reason_of(const Window& window, const QueueHistory& queue) {
  const NetnsId netns = queue.listener->netns;
  auto increase = [&](std::string_view name) { return window.increase(netns, name).value_or(0); };
  Reason out;
  out.told = dropped_for_port(dropped(window, window.latest()), netns, queue.listener->local.port);
  for (const Cause& cause : kCauses) {
    double here = std::max(cause.counter.empty() ? 0.0 : increase(cause.counter),
                           static_cast<double>(segments_of(dropped_for(out.told, cause.reason))));
    if (here <= out.times) continue;
    out.cause = &cause;
    out.times = here;
  }
  out.syn_queue_full = increase("TcpExt.TCPReqQFullDrop");
  out.unanswerable =
      std::max(0.0, increase("TcpExt.ListenDrops") - increase("TcpExt.ListenOverflows") - out.syn_queue_full);
  out.deferred = increase(kDeferred);
  auto here = [&](NetnsId from, const Endpoint& to) {
    return from == netns && listener_of(window.connections(), netns, to) == queue.listener;
  };
  for (const SocketRow* row : window.connections().in_state(TcpState::syn_sent)) {
    if (here(row->netns, row->remote)) ++out.in_vain;
  }
  for (const FailedConnects& failed : window.latest().failed_connects) {
    bool no_answer = failed.end == ConnectEnd::timed_out || failed.end == ConnectEnd::given_up;
    if (no_answer && here(failed.netns, failed.destination)) out.in_vain = add_sat(out.in_vain, failed.count);
  }
  return out;
}

/// A counter moved often enough to stand for the drops of this listener.
bool explains(double times, const QueueHistory& queue) {
  return times > 0 && times >= kMostOfThem * *queue.drops;
}

Finding finding_for(const Evidence& in, const QueueHistory& queue, const Reason& reason) {
  const Window& window = in.window;
  const SocketRow& listener = *queue.listener;
  const Cause* cause = reason.cause;
  const bool no_answer = cause == nullptr && explains(reason.unanswerable, queue);
  Finding finding;
  finding.id = "syn-drops-not-overflow";
  // Whatever refuses them, clients of this host are seen to get no answer.
  const bool harms = static_cast<double>(reason.in_vain) >= in.policy.value(kMinDrops);
  const bool on_purpose = cause != nullptr && cause->counter.empty();  // for all that is known
  finding.severity = (cause != nullptr && !on_purpose) || harms ? Severity::warning : Severity::info;
  finding.finding_class = cause == nullptr ? FindingClass::network_path : cause->blame;
  finding.scope = scope_of_listener(in.now(), listener);
  finding.title = fmt::format("{} segments for {} on {} were refused: {}", with_commas(to_u64(*queue.drops)),
                              process_text(finding.scope), port_text(listener),
                              cause != nullptr ? cause->what
                              : no_answer      ? "its queue had room, but the kernel could not answer them"
                                               : "its queue had room, and nothing visible here tells why");
  const bool told = cause != nullptr && !dropped_for(reason.told, cause->reason).empty();
  finding.confidence = told ? Confidence::high : cause == nullptr && !no_answer ? Confidence::low : Confidence::medium;
  finding.confidence_why = told ? "the kernel told of each packet why it was dropped, and this listener counts them"
                           : cause != nullptr ? "the counter is the namespace's, the drops are this listener's"
                           : no_answer
                               ? "ListenDrops counts them and ListenOverflows does not: no route back to the "
                                 "sender, or no memory for the request"
                               : "a filter on the socket looks like this, and connections of this host to it get "
                                 "no answer";
  finding.evidence.push_back(measured(window, "drops", source_of(in.now(), FactId::snapshot), *queue.drops, "segments",
                                      in.policy.value(kMinDrops)));
  finding.evidence.push_back(
      measured(window, "overflows_in_netns", "TcpExt.ListenOverflows", queue.overflows.value_or(0), "connections"));
  if (cause != nullptr) {
    finding.evidence.push_back(measured(window, "refused_for_this_cause",
                                        std::string(told ? cause->reason : cause->counter), reason.times, "segments"));
  }
  if (!told) add_dropped(window, window, reason.told, finding);
  if (no_answer) {
    finding.evidence.push_back(
        measured(window, "not_for_want_of_room", "TcpExt.ListenDrops", reason.unanswerable, "segments"));
  }
  if (reason.in_vain > 0) {
    finding.evidence.push_back(measured(window, "attempts_without_answer", source_of(in.now(), FactId::connects),
                                        static_cast<double>(reason.in_vain), "attempts"));
  }
  finding.meaning =
      "A listener's drop counter grows for every segment that it refuses. No connection was refused for want of room, "
      "so a longer queue changes nothing.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = cause == nullptr ? "Find out what refuses them before you change anything." : std::string(cause->cure);
  std::string prefix = in_netns(in.now(), listener.netns);
  if (no_answer)
    cure.steps.push_back(fmt::format("{}ip route get ADDRESS, for an address that cannot connect", prefix));
  if (cause == nullptr && !no_answer && !reason.told.empty()) {
    cure.steps.push_back(step_to_see(*reason.told.front().what, prefix));
  } else if (cause == nullptr && !no_answer) {
    cure.steps.emplace_back(
        "bpftrace -e 'tracepoint:skb:kfree_skb { @[args->reason] = count(); }': SOCKET_FILTER is a filter that the "
        "program has set on its socket, NETFILTER_DROP a rule of this host");
  }
  if (on_purpose) cure.steps.push_back(step_to_see(*dropped_for(reason.told, cause->reason).front().what, prefix));
  cure.steps.push_back(fmt::format("{}nstat -az | grep -E 'TCPMD5|TCPAO|ReqQFull|MinTTL|Listen'", prefix));
  cure.verify = fmt::format("{}ss -ltnm 'sport = :{}': d of skmem no longer grows", prefix, listener.local.port);
  finding.not_useful = {{"net.core.somaxconn, the listen() backlog", "the queue had room for all of them"},
                        {"net.ipv4.tcp_max_syn_backlog", "no SYN was refused for want of room there"}};
  return finding;
}

/// A healthy listener refuses segments as well: those that TCP_DEFER_ACCEPT waits past, and what a scan sends.
Outcome judge_syn_drops(const Evidence& in) {
  const std::vector<QueueHistory>& queues = in.accept_queues();
  std::vector<Finding> findings;
  std::string not_assessed = listener_problem(in.window, queues);
  double most = 0, most_refused = 0;
  std::string refused;  // by the listener that refused most
  for (const QueueHistory& queue : queues) {
    if (!queue.known() || !queue.drops_are_exact || queue.overflowed()) continue;
    most = std::max(most, *queue.drops);
    if (*queue.drops < in.policy.value(kMinDrops)) continue;
    Reason reason = reason_of(in.window, queue);
    if (!explains(reason.times, queue)) reason.cause = nullptr;
    bool seen = reason.cause != nullptr || explains(reason.unanswerable, queue) || reason.in_vain > 0;
    // A full SYN queue is told by syn-flood-vs-overflow.
    bool on_purpose = explains(reason.deferred, queue) || explains(reason.syn_queue_full, queue);
    if (seen && !on_purpose) {
      findings.push_back(finding_for(in, queue, reason));
    } else if (!on_purpose) {
      if (*queue.drops > most_refused) refused.clear();
      if (*queue.drops < most_refused) continue;
      most_refused = *queue.drops;
      keep_one(refused,
               fmt::format("{} for {} on {} were refused, not for want of room: nothing tells whether that is "
                           "a scan, a filter or a fault",
                           counted(to_u64(*queue.drops), "segment"),
                           process_text(scope_of_listener(in.now(), *queue.listener)), port_text(*queue.listener)));
    }
  }
  if (not_assessed.empty()) not_assessed = std::move(refused);
  bool inexact = std::ranges::any_of(queues, [](const QueueHistory& queue) { return !queue.drops_are_exact; });
  if (not_assessed.empty() && inexact) {
    not_assessed = fmt::format("{} does not tell what a listener refuses", source_of(in.now(), FactId::snapshot));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "segments that a listener with room refused",
                     fmt::format("{:.0f} in {}", most, seconds_text(in.window.span_s())));
}

constexpr std::array kThresholds = {kMinDrops};
// Without cookies a part of a flood is refused for no reason that a counter tells.
constexpr std::array kExplainedBy = {
    ExplainedBy{"syn-flood-vs-overflow", Link::same_listener, Then::remove},
};
constexpr std::array<std::string_view, 1> kReferences = {"net/ipv4/tcp_ipv4.c: tcp_v4_rcv, tcp_inbound_hash"};

}  // namespace
}  // namespace syn_drops_rule

namespace rules {

extern const Rule syn_drops_not_overflow = {
    .id = "syn-drops-not-overflow",
    .title = "a listener with room refuses segments",
    .explanation =
        "Segments for a listener were dropped although its accept queue had room: a wrong or missing signature, a "
        "filter, no route back. A longer backlog helps against none of these.",
    .thresholds = syn_drops_rule::kThresholds,
    .references = syn_drops_rule::kReferences,
    .explained_by = syn_drops_rule::kExplainedBy,
    .judge = syn_drops_rule::judge_syn_drops,
};

}  // namespace rules
}  // namespace tcpadvisor
