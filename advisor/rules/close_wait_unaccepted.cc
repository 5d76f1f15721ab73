// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace close_wait_unaccepted_rule {
namespace {

constexpr std::size_t kSteadySamples = 3;

Outcome judge_close_wait_unaccepted(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);

  struct Port {
    std::uint64_t count = 0, old = 0, unread = 0;
    Age oldest;
    std::vector<std::string> remotes;
  };
  // By the listener that has them in its queue, or where none is visible by the address: ports are shared by addresses.
  std::map<std::pair<NetnsId, Endpoint>, Port> ports;
  std::uint64_t undecided = 0;
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::close_wait || row.holder != Holder::unaccepted) continue;
    const SocketRow* listener = listener_of(window.connections(), row.netns, row.local);
    Port& port = ports[{row.netns, listener == nullptr ? row.local : listener->local}];
    Age age = window.age(row);
    ++port.count;
    if (age.value >= policy.age)
      ++port.old;
    else if (age.lower_bound && static_cast<double>(age.value.count()) >= window.span_s() * 900)
      ++undecided;
    if (age.value > port.oldest.value) port.oldest = age;
    port.unread = add_sat(port.unread, row.recv_q);
    port.remotes.push_back(row.remote.ip_text());
  }
  // The totals per port are complete, rows may be capped.
  std::map<std::pair<NetnsId, std::uint16_t>, std::vector<Port*>> by_port;
  for (auto& [key, port] : ports) by_port[{key.first, key.second.port}].push_back(&port);
  for (const PortTotals& totals : now.ports) {
    auto found = by_port.find({totals.netns, totals.port});
    if (found == by_port.end() || found->second.size() > 1) continue;
    if (window.connections().listeners(totals.netns, totals.port).size() > 1) continue;  // nobody knows whose they are
    std::uint64_t& count = found->second.front()->count;
    count = std::max<std::uint64_t>(count, totals.unaccepted_close_wait);
  }

  Outcome outcome;
  std::uint64_t total = 0;
  for (const auto& [key, port] : ports) {
    total = add_sat(total, port.count);
    if (port.old < policy.min_count) continue;
    if (window.samples() < kSteadySamples) return Outcome::unknown(too_few_samples(window, kSteadySamples));
    const SocketRow* listener = listener_of(window.connections(), key.first, key.second);
    Finding finding;
    finding.id = "close-wait-unaccepted";
    finding.severity = Severity::warning;
    finding.finding_class = FindingClass::application;
    finding.scope = listener == nullptr ? Scope{} : scope_of_listener(now, *listener);
    if (listener == nullptr) {
      finding.scope.kind = ScopeKind::netns;
      finding.scope.netns = key.first;
      finding.scope.netns_name = netns_name(now, key.first);
      finding.scope.local = key.second.text();
      finding.confidence = Confidence::medium;
    }
    finding.scope.count = port.count;
    finding.title = fmt::format("{} never accepts on port {}: {} came and went unserved", process_text(finding.scope),
                                key.second.port, counted(port.count, "connection"));
    finding.confidence_why = listener == nullptr
                                 ? "the listening socket is not visible"
                                 : "established by the kernel, closed by the peer, still in the accept queue";
    std::string source = source_of(now, FactId::snapshot);
    finding.evidence.push_back(measured(window, "unaccepted_close_wait_sockets", source,
                                        static_cast<double>(port.count), "sockets", policy.min_count));
    finding.evidence.push_back(measured(window, port.oldest.lower_bound ? "oldest_age_at_least" : "oldest_age", source,
                                        static_cast<double>(port.oldest.value.count()) / 1000, "s",
                                        static_cast<double>(policy.age.count()) / 1000));
    if (port.unread > 0) {
      finding.evidence.push_back(measured(window, "unread_bytes", source, static_cast<double>(port.unread), "bytes"));
    }
    if (listener != nullptr && listener->accept_queue) {
      Series queue = window.socket_series(*listener, [](const PastRow& row) {
        return row.accept_queue ? std::optional<double>(*row.accept_queue) : std::nullopt;
      });
      std::optional<double> limit;
      if (listener->accept_limit) limit = *listener->accept_limit;
      finding.evidence.push_back(measured(window, "accept_queue", source, queue.last(), "connections", limit));
      finding.evidence.push_back(measured(window, "accept_queue_growth", source, queue.per_minute(), "per_min"));
    }
    finding.meaning =
        "The kernel completed these connections, the clients gave up and closed, and no accept() has taken "
        "them. Clients see a connection that never answers.";
    Recommendation& cure = finding.recommendation;
    cure.kind = RecommendationKind::application;
    cure.text = "Fix the application: its accept loop is blocked, dead, or was never started.";
    if (listener != nullptr) cure.steps.push_back(step_to_see_why(*listener));
    if (listener != nullptr && service_is_missing(*listener)) say_service_is_missing(now, *listener, finding);
    cure.steps.push_back("clients come from " + most_frequent(port.remotes));
    cure.verify = fmt::format("{}ss -ltn 'sport = :{}': Recv-Q goes to 0", in_netns(now, key.first), key.second.port);
    finding.not_useful = {
        {"net.core.somaxconn", "a longer queue only holds more connections that nobody serves"},
        {"net.ipv4.tcp_fin_timeout", "CLOSE_WAIT has no timer"},
    };
    outcome.findings.push_back(std::move(finding));
  }
  if (!outcome.findings.empty()) return outcome;
  if (undecided >= policy.min_count) {
    return Outcome::unknown(fmt::format("{} stayed for all the {} that we watched: observe for {} or longer",
                                        counted(undecided, "unaccepted CLOSE_WAIT socket"),
                                        seconds_text(window.span_s()), human_duration(policy.age)));
  }
  bool holders_unknown = std::ranges::any_of(now.sockets, [](const SocketRow& row) {
    return row.state == TcpState::close_wait && row.holder == Holder::unknown && row.inode == 0;
  });
  if (holders_unknown) {
    return Outcome::unknown(source_of(now, FactId::snapshot) + " does not tell accepted sockets from unaccepted ones");
  }
  return Outcome::fine("CLOSE_WAIT sockets in accept queues", with_commas(total));
}

constexpr std::array kCloseWaitUnacceptedThresholds = {kMinCount};

constexpr std::array kCloseWaitUnacceptedExplainedBy = {
    kProcessStopped,
    kWorkersStopped,
    kWorkersWithoutDescriptors,
    kNoDescriptors,
    ExplainedBy{"reuseport-unbalanced", Link::same_listener, Then::lower,
                "of several listeners on this port it is the one that falls behind"},
    ExplainedBy{"accept-queue-app-slow", Link::same_listener, Then::lower,
                "the same accept loop is too slow, and its queue is full"},
};

}  // namespace
}  // namespace close_wait_unaccepted_rule

namespace rules {

extern const Rule close_wait_unaccepted = {
    .id = "close-wait-unaccepted",
    .title = "connections ended before any process accepted them",
    .explanation =
        "The kernel has completed these connections, the clients have gone again, and no accept() has taken "
        "them: the accept loop is blocked, dead or was never started.",
    .thresholds = close_wait_unaccepted_rule::kCloseWaitUnacceptedThresholds,
    .references = {},
    .explained_by = close_wait_unaccepted_rule::kCloseWaitUnacceptedExplainedBy,
    .covers = {.each = EachOf::what_waits},
    .judge = close_wait_unaccepted_rule::judge_close_wait_unaccepted,
};

}  // namespace rules
}  // namespace tcpadvisor
