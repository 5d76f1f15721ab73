// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace closed_fd_rule {
namespace {

constexpr std::size_t kSteadySamples = 3;

std::optional<double> in_state(const PastOwner& owner, TcpState state) {
  return owner.sockets[index_of(state)];
}

Outcome judge_closed_socket_fd_leak(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (!owners_known(now)) {
    return Outcome::unknown(
        "dead sockets are in no list: only the owners of descriptors show them, and those are not known");
  }
  // A descriptor below /proc/*/fd only says "socket": a dead one looks like one of UDP.
  const std::string source = source_of(now, FactId::owners);
  const bool seen = std::ranges::any_of(
      now.owners, [](const OwnerTotals& owner) { return owner.sockets[index_of(TcpState::close)] > 0; });
  if (!seen && now.source(FactId::owners) == SourceKind::proc_fd) {
    return Outcome::unknown(source + " does not tell dead sockets from sockets of other protocols");
  }
  Outcome outcome;
  std::uint64_t most = 0;
  for (const OwnerTotals& owner : now.owners) {
    std::uint32_t count = owner.sockets[index_of(TcpState::close)];
    most = std::max<std::uint64_t>(most, count);
    if (count < policy.min_count) continue;
    if (window.samples() < kSteadySamples) return Outcome::unknown(too_few_samples(window, kSteadySamples));
    Series dead = window.owner_series(owner, [](const PastOwner& then) { return in_state(then, TcpState::close); });
    if (dead.size() < kSteadySamples || dead.tail(kSteadySamples).falls() > 0) continue;
    Series waiting =
        window.owner_series(owner, [](const PastOwner& then) { return in_state(then, TcpState::close_wait); });
    bool growing = dead.rises() > 0;
    bool were_close_wait = growing && waiting.first() > waiting.last();

    Finding finding;
    finding.id = "closed-socket-fd-leak";
    finding.severity = Severity::warning;
    finding.finding_class = FindingClass::application;
    finding.scope = {.kind = ScopeKind::process,
                     .netns = owner.netns,
                     .netns_name = netns_name(now, owner.netns),
                     .pid = owner.pid,
                     .comm = owner.comm,
                     .cgroup = owner.cgroup,
                     .local = {},
                     .remote = {},
                     .count = count};
    finding.title =
        fmt::format("{} keeps descriptors of {}", process_text(finding.scope), counted(count, "dead socket"));
    // The kernel's walk leaves out sockets that were never connected; a look at descriptors alone cannot.
    bool surely_dead = now.source(FactId::owners) == SourceKind::iter_task_file;
    finding.confidence = growing ? Confidence::high : Confidence::medium;
    finding.confidence_why = were_close_wait
                                 ? "they were CLOSE_WAIT before: the connections ended, the descriptors stayed"
                             : growing     ? "the number grows"
                             : surely_dead ? "the number is steady"
                                           : "the number is steady; sockets that were never connected look the same";
    finding.evidence.push_back(measured(window, "closed_sockets_held", source, count, "sockets", policy.min_count));
    finding.evidence.push_back(measured(window, "closed_sockets_growth", source, dead.per_minute(), "per_min"));
    if (owner.fds && owner.fd_limit.value_or(0) > 0) {
      double share = static_cast<double>(*owner.fds) / static_cast<double>(*owner.fd_limit);
      finding.evidence.push_back(measured(window, "fd_use", source, share, "ratio", policy.value(kFdUse)));
      if (share > policy.value(kFdUse)) finding.severity = Severity::critical;
    }
    finding.meaning =
        "These connections are over (reset, or ended by keepalive), so ss does not list them, but the process "
        "has not closed their descriptors.";
    Recommendation& cure = finding.recommendation;
    cure.kind = RecommendationKind::application;
    cure.text =
        "Fix the application: close the descriptor after an error or end of file; it is the same bug as CLOSE_WAIT.";
    cure.steps.push_back(fmt::format("compare: ls -l /proc/{0}/fd | grep -c socket, and {1}ss -tnap | grep -c pid={0},",
                                     owner.pid, in_netns(now, owner.netns)));
    cure.steps.push_back("until then they go when the last process that holds them ends");
    cure.verify = "tcpadvisor report --only closed-socket-fd-leak: the number no longer grows";
    finding.not_useful = {{"net.ipv4.tcp_keepalive_*", "ends connections, never closes a descriptor"},
                          {"ulimit -n", "a higher limit only moves the day on which it is reached"}};
    outcome.findings.push_back(std::move(finding));
  }
  return Outcome::of(std::move(outcome.findings), holders_outside(now), "dead sockets held by one process",
                     with_commas(most));
}

constexpr std::array kClosedSocketFdLeakThresholds = {kMinCount, kFdUse};

constexpr std::array kExplainedBy = {kProcessStopped};

}  // namespace
}  // namespace closed_fd_rule

namespace rules {

extern const Rule closed_socket_fd_leak = {
    .id = "closed-socket-fd-leak",
    .title = "a process keeps descriptors of dead sockets",
    .explanation =
        "The connection of such a socket is over (a reset, a keepalive that failed), so no list of connections "
        "shows it, but the process still holds the descriptor. It is the CLOSE_WAIT fault in another state.",
    .thresholds = closed_fd_rule::kClosedSocketFdLeakThresholds,
    .references = {},
    .explained_by = closed_fd_rule::kExplainedBy,
    .judge = closed_fd_rule::judge_closed_socket_fd_leak,
};

}  // namespace rules
}  // namespace tcpadvisor
