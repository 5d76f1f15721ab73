// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"
#include "advisor/rules/worker_pool.h"

namespace tcpadvisor {
namespace never_accepts_rule {
namespace {

constexpr Threshold kMinWaiting = count_threshold("min_waiting", 3, "connections").clears_at(0.6);
constexpr Threshold kWaitsFor = time_threshold("waits_for", 10);  // or all the time, if that is less
constexpr std::size_t kFewestSamples = 5;  // an accept() between two looks shows as a shorter queue in one of them

constexpr double kSomeAccepted = 2;  // connections; one may be the distance between two readings

struct Waiting {
  const SocketRow* listener = nullptr;
  double least = 0, last = 0, joined = 0;  ///< connections; `joined` in the time looked at
  std::optional<double> taken = {};        ///< of those that waited when we began to look; nothing if it is not known
};

/// What a series said in the last `look_s` of the window.
Series lately(const Window& window, const Series& all, double look_s) {
  Series out;
  for (const Series::Point& point : all.points()) {
    if (point.t_s >= window.span_s() - look_s) out.add(point.t_s, point.value);
  }
  return out;
}

/// The queue held somebody for the last `look_s`, and never became shorter. What was before does not clear it.
std::optional<Waiting> waiting_at(const SocketRow& listener, const Series& queue) {
  if (queue.size() < kFewestSamples || queue.falls() > 0 || queue.min() < 1) return std::nullopt;
  return Waiting{&listener, queue.min(), queue.last(), queue.last() - queue.first()};
}

/// A process that holds listeners and nothing else, and nobody shares this one: it has begun to serve none, or it is no
/// server and merely inherited it.
bool took_none(const Connections& connections, const SocketRow& listener) {
  if (!listener.owner || listener.owner->holders != 1) return false;
  const OwnerTotals* owner = connections.owner(listener.owner->pid);
  return owner != nullptr && owner->tcp_sockets() == owner->sockets[index_of(TcpState::listen)];
}

/// What became of the connections that came to one namespace lately.
struct Arrivals {
  std::optional<double> came;
  double joined = 0;  ///< the queues of all its listeners
  double accepted() const { return came ? *came - joined : 0; }
};

/// Connections came to this port beside those in its queue, or nobody knows.
bool may_have_accepted(const Connections& connections, const SocketRow& listener) {
  const PortTotals* port = connections.port(listener.netns, listener.local.port);
  if (port == nullptr) return true;
  std::uint64_t arrived = 0;
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (state != index_of(TcpState::listen)) arrived = add_sat(arrived, std::uint64_t{port->sockets[state]});
  }
  return arrived > listener.accept_queue.value_or(0);
}

/// How many such listeners each namespace has.
using MayHaveAccepted = std::map<NetnsId, std::uint64_t>;
MayHaveAccepted that_may_have_accepted(const Connections& connections) {
  MayHaveAccepted out;
  for (const SocketRow* listener : connections.in_state(TcpState::listen)) {
    out[listener->netns] += may_have_accepted(connections, *listener) ? 1 : 0;
  }
  return out;
}

/// Connections that wait for accept() now, at one port.
struct Unaccepted {
  double rows = 0, from_before = 0;  ///< of those, the ones that waited when we began to look, too
};
using UnacceptedAt = std::map<std::pair<NetnsId, std::uint16_t>, Unaccepted>;

UnacceptedAt unaccepted(const Window& window, double look_s) {
  std::size_t begin = 0;
  while (begin + 1 < window.samples() && window.seconds_at(begin) < window.span_s() - look_s) ++begin;
  UnacceptedAt out;
  for (TcpState state : {TcpState::established, TcpState::close_wait, TcpState::fin_wait_1, TcpState::fin_wait_2}) {
    for (const SocketRow* row : window.connections().in_state(state)) {
      if (row->holder != Holder::unaccepted) continue;
      Unaccepted& here = out[{row->netns, row->local.port}];
      ++here.rows;
      if (window.at(begin).find(*row) != nullptr) ++here.from_before;
    }
  }
  return out;
}

/// The queue is first in, first out: what is missing of those that waited when we began to look was accepted (or has
/// gone). Nothing where not every one has a row, or another listener has the same port.
std::optional<double> accepted_from(const Window& window, const Waiting& waiting, const UnacceptedAt& all) {
  const SocketRow& listener = *waiting.listener;
  if (window.connections().listeners(listener.netns, listener.local.port).size() != 1) return std::nullopt;
  auto found = all.find({listener.netns, listener.local.port});
  const Unaccepted here = found == all.end() ? Unaccepted{} : found->second;
  if (here.rows < waiting.last) return std::nullopt;
  return std::max(0.0, waiting.last - waiting.joined - here.from_before);
}

/// A program that serves so many at a time lets the others wait on purpose. Its queue may be as long at each look, and
/// moves all the same: what came and is in no queue was accepted, and nobody else can have accepted it.
bool moves(const Connections& connections, const Waiting& waiting, const Arrivals& arrivals, MayHaveAccepted& all) {
  if (waiting.taken) return *waiting.taken >= kSomeAccepted;
  if (arrivals.accepted() < kSomeAccepted) return false;
  return all[waiting.listener->netns] == (may_have_accepted(connections, *waiting.listener) ? 1u : 0u);
}

Finding finding_for(const Evidence& in, const Waiting& waiting, bool none_accepted, Telling& telling) {
  const Window& window = in.window;
  const SocketRow& listener = *waiting.listener;
  Finding finding;
  finding.id = "listener-never-accepts";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = scope_of_listener(in.now(), listener);
  const WorkerPool pool = worker_pool(window.connections(), listener);
  if (pool.halted()) name_worker(pool, finding.scope);
  if (telling.too_many(finding)) return finding;
  if (pool.workers.empty()) name_acceptor(window.connections(), listener, finding.scope);
  finding.title =
      fmt::format("{} does not accept on {}: {} for {} and more", process_text(finding.scope), port_text(listener),
                  counted(to_u64(waiting.least), "connection") + (waiting.least == 1 ? " waits" : " wait"),
                  seconds_text(std::min(window.span_s(), in.policy.value(kWaitsFor))));
  const bool the_same = waiting.taken.value_or(1) <= 0;
  finding.confidence = none_accepted || the_same ? Confidence::high : Confidence::medium;
  finding.confidence_why =
      the_same ? "those that waited when we began to look wait still, one by one"
      : none_accepted
          ? "all connections that came to this namespace meanwhile are still in accept queues"
          : "the queue never became shorter; somebody in this namespace accepts, which may be this listener";
  std::string source = source_of(in.now(), FactId::snapshot);
  std::optional<double> limit;
  if (listener.accept_limit) limit = *listener.accept_limit;
  finding.evidence.push_back(
      measured(window, "fewest_waiting", source, waiting.least, "connections", in.policy.value(kMinWaiting)));
  finding.evidence.push_back(measured(window, "accept_queue", source, waiting.last, "connections", limit));
  finding.evidence.push_back(measured(window, "joined_the_queue", source, waiting.joined, "connections"));
  if (auto came = window.increase(listener.netns, "Tcp.PassiveOpens")) {
    finding.evidence.push_back(measured(window, "came_to_netns", "Tcp.PassiveOpens", *came, "connections"));
  }
  finding.meaning =
      "The kernel has completed these connections, and clients may have sent their requests: nobody takes them with "
      "accept(), so they wait without an answer or an error.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: its accept loop is blocked, busy with one client, stopped, or was never started.";
  if (pool.busy()) {
    say_busy(pool, finding);
  } else {
    cure.steps.push_back(step_to_see_why(listener));
    say_own_limit(window.connections(), listener, finding);
  }
  if (service_is_missing(listener)) {
    say_service_is_missing(in.now(), listener, finding);
  } else if (took_none(window.connections(), listener)) {
    cure.steps.push_back(fmt::format(
        "it has taken none so far: if {} is not meant to serve {}, it inherited the listener from whoever started it; "
        "end it, and let that program open its listeners with SOCK_CLOEXEC",
        finding.scope.comm, port_text(listener)));
  }
  cure.verify =
      fmt::format("{}ss -ltn 'sport = :{}': Recv-Q goes to 0", in_netns(in.now(), listener.netns), listener.local.port);
  finding.not_useful = {
      {"net.core.somaxconn, the listen() backlog", "a longer queue only holds more connections that nobody serves"},
      {"net.ipv4.tcp_keepalive_*", "the connections are alive: both kernels answer"},
  };
  return finding;
}

Outcome judge_never_accepts(const Evidence& in) {
  const Window& window = in.window;
  const std::vector<QueueHistory>& queues = in.accept_queues();
  std::string not_assessed = listener_problem(window, queues);
  if (not_assessed.empty() && !queues.empty() && window.samples() < kFewestSamples) {
    not_assessed = too_few_samples(window, kFewestSamples);
  }
  const double look_s = in.policy.value(kWaitsFor);
  std::vector<Waiting> found;
  std::map<NetnsId, Arrivals> arrivals;
  for (const QueueHistory& queue : queues) {
    const Series lengths = lately(window, queue.waiting, look_s);
    if (lengths.empty()) continue;
    arrivals[queue.listener->netns].joined += lengths.last() - lengths.first();
    std::optional<Waiting> waiting = waiting_at(*queue.listener, lengths);
    if (waiting && waiting->least >= in.policy.value(kMinWaiting)) found.push_back(*waiting);
  }
  for (auto& [netns, here] : arrivals) {
    const Series came = lately(window, window.counter(netns, "Tcp.PassiveOpens"), look_s);
    if (came.size() >= 2) here.came = came.increase();
  }
  std::vector<Finding> findings;
  Telling telling;
  const UnacceptedAt waiting_now = found.empty() ? UnacceptedAt{} : unaccepted(window, look_s);
  MayHaveAccepted all = found.empty() ? MayHaveAccepted{} : that_may_have_accepted(window.connections());
  for (Waiting& waiting : found) {
    waiting.taken = accepted_from(window, waiting, waiting_now);
    const Arrivals& here = arrivals[waiting.listener->netns];
    if (!moves(window.connections(), waiting, here, all))
      findings.push_back(finding_for(in, waiting, here.came && here.accepted() <= 0, telling));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed),
                     "listeners whose queue held connections all the time",
                     fmt::format("0 of {}", with_commas(queues.size())));
}

constexpr std::array kThresholds = {kMinWaiting, kWaitsFor};
constexpr std::array<std::string_view, 2> kReferences = {"listen(2)", "accept(2)"};
// The one that says more about the same queue tells it.
constexpr std::array kExplainedBy = {
    kProcessStopped,
    kWorkersStopped,
    kWorkersWithoutDescriptors,
    kNoDescriptors,
    ExplainedBy{"reuseport-unbalanced", Link::same_listener, Then::remove},
    ExplainedBy{"accept-queue-app-slow", Link::same_listener, Then::remove},
    ExplainedBy{"close-wait-unaccepted", Link::same_listener, Then::remove},
};

}  // namespace
}  // namespace never_accepts_rule

namespace rules {

extern const Rule listener_never_accepts = {
    .id = "listener-never-accepts",
    .title = "connections wait for accept() all the time",
    .explanation =
        "Clients connect, because the kernel does that for the program, and then wait for ever: no accept() takes "
        "them. "
        "Nothing is dropped before the queue is full, so no counter tells.",
    .thresholds = never_accepts_rule::kThresholds,
    .references = never_accepts_rule::kReferences,
    .explained_by = never_accepts_rule::kExplainedBy,
    .judge = never_accepts_rule::judge_never_accepts,
};

}  // namespace rules
}  // namespace tcpadvisor
