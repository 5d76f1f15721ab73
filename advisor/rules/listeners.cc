// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"
#include "advisor/rules/worker_pool.h"

namespace tcpadvisor {
namespace listeners_rule {
namespace {

constexpr Threshold kFullShareOfSamples = ratio_threshold("full_share_of_samples", 0.5).clears_at(0.5);
constexpr Threshold kFullFor = time_threshold("full_for", 3);  // at least, and never longer than the policy's windows
constexpr Threshold kIdleFill =
    ratio_threshold("idle_fill", 0.25).clears_at(1.5);  // of the limit: below it the queue is practically empty
constexpr Threshold kIdleShareOfSamples = ratio_threshold("idle_share_of_samples", 0.8).clears_at(0.8);
constexpr std::uint64_t kMinBacklog = 128, kMaxBacklog = 65'535;

/// The drops of the worst and all steps, as evidence that both rules give.
void add_queue_evidence(const Evidence& in, const QueueHistory& queue, Finding& finding) {
  const Window& window = in.window;
  const Sample& now = window.latest();
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(measured(window, "accept_queue_full", source, queue.full_share(), "ratio of samples",
                                      in.policy.value(kFullShareOfSamples)));
  finding.evidence.push_back(measured(window, "accept_queue", source, queue.listener->accept_queue.value_or(0),
                                      "connections", queue.listener->accept_limit.value_or(0)));
  finding.evidence.push_back(measured(window, "drops", queue.drops_are_exact ? source : "TcpExt.ListenOverflows",
                                      *queue.drops, "connections", 0));
  if (std::optional<double> accepted = window.increase(queue.listener->netns, "Tcp.PassiveOpens")) {
    finding.evidence.push_back(measured(window, "established_in_netns", "Tcp.PassiveOpens",
                                        window.span_s() > 0 ? *accepted / window.span_s() : 0, "per_s"));
  }
  if (!queue.drops_are_exact) {
    finding.confidence = Confidence::medium;
    finding.confidence_why = "drops are counted for the whole namespace, not for this listener";
  }
}

/// It stays full: the program does not accept as fast as connections come.
bool stays_full(const Evidence& in, const QueueHistory& queue) {
  const Policy& policy = in.policy;
  const double policy_s = static_cast<double>(policy.window.count()) * policy.windows / 1000;
  const double needed_s = std::min(policy.value(kFullFor), policy_s);
  return queue.full_share() >= policy.value(kFullShareOfSamples) &&
         queue.full_s + in.window.interval_s() / 2 >= needed_s;
}

Finding slow_finding(const Evidence& in, const QueueHistory& queue, Telling& telling) {
  const Window& window = in.window;
  const SocketRow& listener = *queue.listener;
  Finding finding;
  finding.id = "accept-queue-app-slow";
  finding.severity = Severity::critical;
  finding.finding_class = FindingClass::application;
  finding.scope = scope_of_listener(window.latest(), listener);
  const WorkerPool pool = worker_pool(window.connections(), listener);
  if (pool.halted()) name_worker(pool, finding.scope);
  if (telling.too_many(finding)) return finding;
  if (pool.workers.empty()) name_acceptor(window.connections(), listener, finding.scope);
  finding.title = fmt::format("{} accepts too slowly on {}: its queue is full and drops connections",
                              process_text(finding.scope), port_text(listener));
  finding.confidence_why = "full in most samples, and this listener's own drop counter moved";
  add_queue_evidence(in, queue, finding);
  finding.meaning = fmt::format(
      "New connections wait for accept() and are dropped when {} wait already; clients retry "
      "after 1 s, 3 s, 7 s, or believe that they are connected.",
      with_commas(*listener.accept_limit));
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: accept faster (more accepting threads or SO_REUSEPORT, less work per accept).";
  if (pool.busy()) {
    say_busy(pool, finding);
  } else {
    cure.steps.push_back(step_to_see_why(listener));
    say_own_limit(window.connections(), listener, finding);
  }
  if (service_is_missing(listener)) say_service_is_missing(window.latest(), listener, finding);
  cure.steps.push_back("keep the backlog below what it accepts in one second: a longer queue only adds waiting");
  cure.verify = fmt::format("{}ss -ltn 'sport = :{}': Recv-Q below half of Send-Q, no new drops",
                            in_netns(window.latest(), listener.netns), listener.local.port);
  finding.not_useful = {
      {"net.core.somaxconn", "the queue is full because it is not emptied; a longer one adds delay, not capacity"},
      {"net.ipv4.tcp_max_syn_backlog", "limits half-open connections, not those that wait for accept()"},
      {"net.ipv4.tcp_abort_on_overflow", "turns waiting into resets for users"},
  };
  return finding;
}

Outcome judge_accept_queue_app_slow(const Evidence& in) {
  const Window& window = in.window;
  const std::vector<QueueHistory>& queues = in.accept_queues();
  Outcome outcome;
  Telling telling;
  outcome.not_assessed = listener_problem(window, queues);
  double fullest = 0;
  for (const QueueHistory& queue : queues) {
    fullest = std::max(fullest, queue.fill.last());
    if (queue.known() && stays_full(in, queue) && *queue.drops > 0)
      outcome.findings.push_back(slow_finding(in, queue, telling));
  }
  return Outcome::of(std::move(outcome.findings), std::move(outcome.not_assessed), "fullest accept queue",
                     fmt::format("{:.0f} % of its limit ({})", fullest * 100, counted(queues.size(), "listener")));
}

/// What would have held the worst burst: the places there are plus what was dropped, and half as much again.
void recommend_backlog(const Window& window, const QueueHistory& queue, Finding& finding) {
  const Sample& now = window.latest();
  const SocketRow& listener = *queue.listener;
  std::uint64_t limit = *listener.accept_limit;
  std::uint64_t dropped = to_u64(queue.worst_drops), needed = add_sat(limit, dropped);
  std::uint64_t wanted = to_u64(std::ceil(1.5 * static_cast<double>(needed)));
  std::uint64_t target = std::clamp(pow2ceil(wanted), kMinBacklog, kMaxBacklog);
  std::string formula = fmt::format("pow2ceil(1.5 x ({} places + {} dropped in the worst {})) = {}, within {} to {}",
                                    with_commas(limit), with_commas(dropped), seconds_text(window.interval_s()),
                                    with_commas(target), with_commas(kMinBacklog), with_commas(kMaxBacklog));
  auto somaxconn = sysctl_value(now, listener.netns, "net.core.somaxconn");
  std::string prefix = in_netns(now, listener.netns);
  Recommendation& cure = finding.recommendation;
  if (target <= limit) {
    cure.kind = RecommendationKind::application;
    cure.text = fmt::format(
        "Fix the application: accept bursts faster (more accepting threads or SO_REUSEPORT). {} places are more than a "
        "longer queue could help.",
        with_commas(limit));
    cure.verify = fmt::format("{}ss -ltn 'sport = :{}': no new drops at the next burst", prefix, listener.local.port);
    finding.not_useful.push_back({"net.core.somaxconn", "the queue is long already; a longer one only adds waiting"});
    return;
  }
  cure.formula = formula;
  cure.verify = fmt::format("{}ss -ltn 'sport = :{}': Send-Q {}, and no new drops at the next burst", prefix,
                            listener.local.port, with_commas(target));
  cure.expected_effect = Recommendation::Effect{.metric = "drops", .from = *queue.drops, .to = 0};
  bool capped_by_sysctl = somaxconn && to_u64(*somaxconn) <= limit;
  if (!capped_by_sysctl) {
    cure.kind = RecommendationKind::application;
    cure.text = fmt::format("Raise the application's listen() backlog from {} to {}, then restart it: {}",
                            with_commas(limit), with_commas(target), formula);
    if (somaxconn && to_u64(*somaxconn) < target) {
      cure.steps.push_back(fmt::format("net.core.somaxconn ({}) must be at least as large in this namespace",
                                       with_commas(to_u64(*somaxconn))));
    }
    finding.not_useful.push_back({"net.core.somaxconn", "the application asked for less than it allows"});
    return;
  }
  cure.kind = RecommendationKind::sysctl;
  finding.finding_class = FindingClass::kernel_config;
  cure.text = fmt::format("Raise net.core.somaxconn from {} to {} in this namespace, then restart the application",
                          *somaxconn, target);
  Change change = Change::in(now, listener.netns, "net.core.somaxconn");
  change.current = {*somaxconn};
  change.lower = values_of({std::clamp(needed, kMinBacklog, target)});
  change.target = values_of({target});
  change.upper = values_of({kMaxBacklog});
  if (!change.host_netns) cure.steps.push_back("to keep it: " + text_of(change).persist);
  cure.change = std::move(change);
  cure.steps.push_back("the listen() backlog must be at least as large; the change acts at the next listen()");
  cure.applicability = Applicability::needs_review;
}

Outcome judge_backlog_too_small(const Evidence& in) {
  const Window& window = in.window;
  const std::vector<QueueHistory>& queues = in.accept_queues();
  Outcome outcome;
  outcome.not_assessed = listener_problem(window, queues);
  const double idle_share = in.policy.value(kIdleShareOfSamples), idle_fill = in.policy.value(kIdleFill);
  double drops = 0;
  std::string untold;
  for (const QueueHistory& queue : queues) {
    if (!queue.known()) continue;
    drops = std::max(drops, *queue.drops);
    if (*queue.drops <= 0 || !queue.overflowed() || stays_full(in, queue)) continue;
    const bool idle_between = queue.idle_share(idle_fill) >= idle_share;
    // The namespace's counter names no listener: with several of them only an own counter can.
    if (!queue.drops_are_exact && queues.size() > 1) {
      keep_one(untold, fmt::format("{:.0f} drops in namespace {}, but {} does not tell which of {} dropped them",
                                   *queue.drops, netns_name(window.latest(), queue.listener->netns),
                                   source_of(window.latest(), FactId::snapshot), counted(queues.size(), "listener")));
      continue;
    }
    const SocketRow& listener = *queue.listener;
    Finding finding;
    finding.id = "backlog-too-small";
    finding.severity = Severity::warning;
    finding.finding_class = FindingClass::application;
    finding.scope = scope_of_listener(window.latest(), listener);
    finding.title = fmt::format("The backlog of {} ({} on {}) is too small for its bursts",
                                with_commas(*listener.accept_limit), process_text(finding.scope), port_text(listener));
    finding.confidence = idle_between ? Confidence::medium : Confidence::low;
    finding.confidence_why =
        idle_between ? "drops in bursts while the queue is nearly empty between them"
                     : "drops while the queue is neither always full nor mostly empty: the bursts are long, or "
                       "the program is slow at times";
    add_queue_evidence(in, queue, finding);
    finding.evidence.push_back(measured(window, "accept_queue_below_quarter",
                                        source_of(window.latest(), FactId::snapshot), queue.idle_share(idle_fill),
                                        "ratio of samples", idle_share));
    if (listener.accept_peak) {
      finding.evidence.push_back(measured(window, "accept_queue_peak", source_of(window.latest(), FactId::accept_peak),
                                          *listener.accept_peak, "connections"));
    }
    finding.meaning =
        "The application keeps up on average, but a burst during a short stall finds no place in the queue and "
        "is dropped; those clients wait a second or more.";
    finding.not_useful = {
        {"net.ipv4.tcp_max_syn_backlog", "limits half-open connections, not those that wait for accept()"},
        {"net.ipv4.tcp_abort_on_overflow", "turns waiting into resets for users"}};
    recommend_backlog(window, queue, finding);
    outcome.findings.push_back(std::move(finding));
  }
  if (!untold.empty()) outcome.not_assessed = std::move(untold);
  return Outcome::of(std::move(outcome.findings), std::move(outcome.not_assessed), "drops of one listener",
                     fmt::format("{:.0f} in {}", drops, seconds_text(window.span_s())));
}

constexpr std::array kAcceptQueueAppSlowThresholds = {kFullShareOfSamples, kFullFor};
constexpr std::array<std::string_view, 2> kAcceptQueueAppSlowReferences = {"listen(2)",
                                                                           "net/ipv4/tcp_minisocks.c: tcp_check_req"};
constexpr std::array kBacklogTooSmallThresholds = {kIdleFill, kIdleShareOfSamples};
constexpr std::array<std::string_view, 1> kBacklogTooSmallReferences = {"listen(2)"};

constexpr std::string_view kFirst = "reuseport-unbalanced";  // names the one of several listeners that it is about
constexpr std::array kAcceptQueueAppSlowExplainedBy = {
    kProcessStopped,
    kWorkersStopped,
    kWorkersWithoutDescriptors,
    kNoDescriptors,
    ExplainedBy{kFirst, Link::same_listener, Then::remove},
};
constexpr std::array kBacklogTooSmallExplainedBy = {
    kProcessStopped,
    kWorkersStopped,
    kWorkersWithoutDescriptors,
    kNoDescriptors,
    ExplainedBy{kFirst, Link::same_listener, Then::remove},
    ExplainedBy{"accept-queue-app-slow", Link::same_listener, Then::remove},
    ExplainedBy{"syn-flood-vs-overflow", Link::same_listener, Then::lower,
                "handshakes that nobody completes come to this listener at the same time",
                "See first to what finding {rule} says: a longer queue is filled by such handshakes as well."},
};

}  // namespace
}  // namespace listeners_rule

namespace rules {

extern const Rule accept_queue_app_slow = {
    .id = "accept-queue-app-slow",
    .title = "a process accepts too slowly",
    .explanation =
        "Connections wait for accept() in a full queue, and the kernel drops what comes beyond it. The "
        "application accepts more slowly than clients connect: a longer queue only makes them wait longer.",
    .thresholds = listeners_rule::kAcceptQueueAppSlowThresholds,
    .references = listeners_rule::kAcceptQueueAppSlowReferences,
    .explained_by = listeners_rule::kAcceptQueueAppSlowExplainedBy,
    .judge = listeners_rule::judge_accept_queue_app_slow,
};

extern const Rule backlog_too_small = {
    .id = "backlog-too-small",
    .title = "a listener's backlog is too small for bursts",
    .explanation =
        "The queue is nearly empty most of the time and still drops in bursts: the application keeps up, but "
        "the places between two of its accepts are too few.",
    .thresholds = listeners_rule::kBacklogTooSmallThresholds,
    .references = listeners_rule::kBacklogTooSmallReferences,
    .explained_by = listeners_rule::kBacklogTooSmallExplainedBy,
    .judge = listeners_rule::judge_backlog_too_small,
};

}  // namespace rules
}  // namespace tcpadvisor
