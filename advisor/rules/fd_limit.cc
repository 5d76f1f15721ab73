// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/owner_group.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace fd_limit_rule {
namespace {

constexpr Threshold kNearUse = ratio_threshold("fd_use", 0.9).clears_at(0.9);  // of the limit
constexpr Threshold kSpare = count_threshold("spare", 4, "descriptors");       // no more are left: it is at its limit
constexpr Threshold kSoon = time_threshold("soon", 3600).clears_at(2);  // until none is left, at the rate that was seen
constexpr std::uint64_t kSmallLimit = 1024;

/// The descriptors of one process, and who waits for one to become free.
struct Use {
  const OwnerTotals* owner = nullptr;
  std::uint64_t fds = 0, limit = 0;
  std::uint64_t waiting = 0;  ///< connections in the queues of its listeners, all the time
  double refused = 0;         ///< that these queues had no place for
  Series course = {};         ///< of fds
  std::vector<const SocketRow*> listeners = {};
  std::vector<const OwnerTotals*> workers = {};  ///< that share a listener with it, and have none left, either

  bool at_limit(const Policy& policy) const { return fds + to_u64(policy.value(kSpare)) > limit; }
  std::uint64_t sockets(TcpState state) const { return owner->sockets[index_of(state)]; }
  /// Sockets that nobody needs any more.
  std::uint64_t leaked() const { return sockets(TcpState::close_wait) + sockets(TcpState::close); }
  std::optional<double> ends_in_s() const {
    double per_minute = course.per_minute();
    if (course.size() < 3 || course.falls() > 0 || per_minute <= 0) return std::nullopt;
    return static_cast<double>(sub_sat(limit, fds)) / per_minute * 60;
  }
};

/// Limits as small as this are counted in whole descriptors: four of eight are not the end.
bool can_be_judged(const OwnerTotals& owner, const Policy& policy) {
  return owner.fds && owner.fd_limit && *owner.fd_limit > 2 * to_u64(policy.value(kSpare)) &&
         *owner.fd_limit != std::numeric_limits<std::uint64_t>::max();
}

void add_listener(const Window& window, const SocketRow& row, Use& use) {
  Series queue = window.socket_series(row, [](const PastRow& then) -> std::optional<double> {
    return then.accept_queue ? std::optional<double>(*then.accept_queue) : std::nullopt;
  });
  Series drops = window.socket_series(row, [](const PastRow& then) -> std::optional<double> {
    return then.drops ? std::optional<double>(static_cast<double>(*then.drops)) : std::nullopt;
  });
  if (queue.tail(3).min() < 1) return;  // an accept() has succeeded, or nobody came
  use.waiting = add_sat(use.waiting, to_u64(queue.last()));
  use.refused += drops.increase();
  use.listeners.push_back(&row);
}

/// Of workers that share a listener each one has none left: that is one fault, told of the first.
void join_workers(const Evidence& in, const SocketRow& listener, std::map<Pid, Use>& uses) {
  auto workers = affected_workers(in.now(), listener, [&](Pid pid) {
    auto use = uses.find(pid);
    return use != uses.end() && use->second.at_limit(in.policy);
  });
  if (workers.empty()) return;
  Use& first = uses.find(workers.front()->pid)->second;
  add_listener(in.window, listener, first);
  for (const OwnerTotals* worker : std::span(workers).subspan(1)) {
    if (uses.erase(worker->pid) > 0) first.workers.push_back(worker);
  }
}

/// "It has 64 descriptors: 2 TCP sockets (1 ESTABLISHED, 1 LISTEN), and 62 files, pipes and others."
std::string composition(const Use& use) {
  std::uint64_t tcp = use.owner->tcp_sockets();
  std::string out =
      fmt::format("It has {} descriptors{}: {}", with_commas(use.fds),
                  use.fds > use.limit ? ", opened before its limit was lowered" : "", counted(tcp, "TCP socket"));
  std::string parts;
  auto add = [&](std::uint64_t count, const char* what) {
    if (count > 0) parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", with_commas(count), what);
  };
  add(use.sockets(TcpState::established), "ESTABLISHED");
  add(use.sockets(TcpState::close_wait), "CLOSE_WAIT");
  add(use.sockets(TcpState::close), "dead");
  add(use.sockets(TcpState::listen), "LISTEN");
  if (!parts.empty()) out += " (" + parts + ")";
  return out + fmt::format(", and {} files, pipes and others.", with_commas(sub_sat(use.fds, tcp)));
}

/// Where the limit of this process is set, by what started it.
std::string place_of_limit(const OwnerTotals& owner, std::uint64_t wanted) {
  const std::optional<OwnerGroup> group = owner_group_of(owner.cgroup);
  const GroupKind kind = group ? group->kind : GroupKind::cgroup;
  if (kind == GroupKind::unit) {
    return fmt::format("systemctl edit {}: [Service] LimitNOFILE={}, then restart it", group->id, wanted);
  }
  if (kind == GroupKind::container || kind == GroupKind::pod) {
    return fmt::format(
        "in what starts the container: docker run --ulimit nofile={0}:{0}, LimitNOFILE of the runtime's unit", wanted);
  }
  return fmt::format(
      "in what starts it: ulimit -n {}, LimitNOFILE of its systemd unit, or /etc/security/limits.conf for logins",
      wanted);
}

void say_cure(const Use& use, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  const Pid pid = use.owner->pid;
  std::uint64_t wanted = pow2ceil(std::max(mul_sat(use.fds, 2), 4 * kSmallLimit));
  cure.verify = fmt::format("ls /proc/{0}/fd | wc -l, against 'Max open files' in /proc/{0}/limits", pid);
  cure.steps.push_back(fmt::format(
      "see what they are: ls -l /proc/{}/fd | awk '{{print $NF}}' | sed 's/[0-9]*//g' | sort | uniq -c", pid));
  bool leaks = 2 * use.leaked() >= use.fds;
  if (leaks) {
    cure.kind = RecommendationKind::application;
    cure.text = fmt::format(
        "Fix the application: it does not close {}. A higher limit only buys time until these have used it up, too.",
        counted(use.leaked(), "socket"));
  } else {
    cure.kind = RecommendationKind::capacity;
    cure.text = fmt::format(
        "Raise the limit on open files of this process from {} to {}, if it needs so many; if they only grow, close "
        "what is no longer used.",
        with_commas(use.limit), with_commas(wanted));
    cure.formula = fmt::format("pow2ceil(2 x {} in use), at least {} = {}", with_commas(use.fds),
                               with_commas(4 * kSmallLimit), with_commas(wanted));
  }
  cure.steps.push_back(fmt::format("{}{}", leaks ? "to buy time: " : "", place_of_limit(*use.owner, wanted)));
  cure.steps.push_back(fmt::format("at once, without a restart: prlimit --pid {} --nofile={}:", pid, wanted));
}

Finding finding_for(const Evidence& in, const Use& use) {
  const Window& window = in.window;
  const OwnerTotals& owner = *use.owner;
  const bool at_limit = use.at_limit(in.policy);
  const std::optional<double> ends_in_s = use.ends_in_s();
  Finding finding;
  finding.id = "fd-limit-reached";
  finding.finding_class = FindingClass::capacity;
  Scope& scope = finding.scope;
  scope.kind = ScopeKind::process;
  scope.netns = use.listeners.empty() ? owner.netns : use.listeners.front()->netns;
  scope.netns_name = netns_name(in.now(), scope.netns);
  scope.pid = owner.pid;
  scope.comm = owner.comm;
  scope.cgroup = owner.cgroup;
  scope.local = common_local(use.listeners);
  scope.count = owner.tcp_sockets();
  scope.sharing = use.workers.size();
  for (const OwnerTotals* worker : use.workers) {
    if (scope.others.size() < kMaxOthers) scope.others.push_back({.pid = worker->pid, .comm = worker->comm, .fds = 1});
  }
  const std::string who = process_text(scope);
  const std::string_view has = use.workers.empty() ? "has reached its" : "have reached their";
  if (at_limit && use.waiting > 0) {
    finding.severity = Severity::critical;
    finding.title = fmt::format("{} {} descriptor limit of {}: {} for accept()", who, has, with_commas(use.limit),
                                counted(use.waiting, "connection") + (use.waiting == 1 ? " waits" : " wait"));
    finding.confidence_why = "no descriptor is free, and its accept queue does not empty: accept() fails with EMFILE";
  } else if (at_limit) {
    finding.severity = Severity::warning;
    finding.title = fmt::format("{} {} descriptor limit of {}", who, has, with_commas(use.limit));
    finding.confidence_why = "no descriptor is free, or next to none; nobody waits for accept() at the moment";
  } else {
    bool soon = ends_in_s && *ends_in_s < in.policy.value(kSoon);
    finding.severity = soon ? Severity::warning : Severity::info;
    finding.title = fmt::format("{} uses {} of its {} descriptors{}", who, with_commas(use.fds), with_commas(use.limit),
                                soon ? fmt::format(": none is left in {}", seconds_text(*ends_in_s)) : "");
    finding.confidence_why = soon ? "the number grows and does not fall" : "close to the limit; it does not grow";
  }
  std::string source = source_of(in.now(), FactId::owners);
  finding.evidence.push_back(
      measured(window, "fds", source, static_cast<double>(use.fds), "descriptors", static_cast<double>(use.limit)));
  finding.evidence.push_back(measured(window, "fd_use", source,
                                      static_cast<double>(use.fds) / static_cast<double>(use.limit), "ratio",
                                      in.policy.value(kNearUse)));
  finding.evidence.push_back(measured(window, "fd_growth", source, use.course.per_minute(), "per_min"));
  if (use.waiting > 0) {
    std::string snapshot = source_of(in.now(), FactId::snapshot);
    finding.evidence.push_back(
        measured(window, "accept_queue", snapshot, static_cast<double>(use.waiting), "connections"));
    finding.evidence.push_back(measured(window, "drops", snapshot, use.refused, "connections", 0));
  }
  finding.meaning =
      "Without a free descriptor accept(), socket() and open() fail with EMFILE. A connection that cannot be accepted "
      "stays in the queue, where its client believes to be connected. " +
      composition(use);
  say_cure(use, finding);
  finding.not_useful = {
      {"net.core.somaxconn, the listen() backlog", "a longer queue only holds more connections that nobody can accept"},
      {"fs.file-max", "the limit of the whole host; it fails with ENFILE, and for all processes"},
      {"more accepting threads", "they share the process' limit"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  if (!owners_known(now)) return Outcome::unknown("the descriptors of processes are not known");
  std::map<Pid, Use> uses;
  std::uint64_t unknown = 0;
  double fullest = 0;
  for (const OwnerTotals& owner : now.owners) {
    if (!owner.fds || !owner.fd_limit) ++unknown;
    if (!can_be_judged(owner, in.policy)) continue;
    Use use{.owner = &owner, .fds = *owner.fds, .limit = *owner.fd_limit};
    double share = static_cast<double>(use.fds) / static_cast<double>(use.limit);
    fullest = std::max(fullest, share);
    if (share < in.policy.value(kNearUse) && !use.at_limit(in.policy)) continue;
    use.course = window.owner_series(owner, [](const PastOwner& then) -> std::optional<double> {
      return then.fds ? std::optional<double>(*then.fds) : std::nullopt;
    });
    uses.emplace(owner.pid, std::move(use));
  }
  for (const SocketRow* row : window.connections().in_state(TcpState::listen)) {
    auto use = row->owner ? uses.find(row->owner->pid) : uses.end();
    if (use != uses.end()) {
      add_listener(window, *row, use->second);
    } else {
      join_workers(in, *row, uses);
    }
  }
  std::vector<Finding> findings;
  findings.reserve(uses.size());
  for (const auto& [pid, use] : uses) findings.push_back(finding_for(in, use));
  std::string why;
  if (unknown > 0) {
    why = fmt::format("descriptors or their limit of {} of the {} processes that hold sockets are not known",
                      with_commas(unknown), with_commas(now.owners.size()));
  }
  if (why.empty()) why = holders_outside(now);
  return Outcome::of(std::move(findings), std::move(why), "most descriptors of their limit that a process uses",
                     fmt::format("{:.0f} %", fullest * 100));
}

constexpr std::array kThresholds = {kNearUse, kSpare, kSoon};
constexpr std::array<std::string_view, 2> kReferences = {"accept(2): EMFILE", "getrlimit(2): RLIMIT_NOFILE"};
constexpr std::string_view kBuysTime = "the sockets that it does not close are most of its descriptors";
constexpr std::string_view kCloseFirst =
    "Fix {who} first (see {rule}): what it does not close has used the descriptors up. A higher limit only buys time.";
constexpr std::array kExplainedBy = {
    kProcessStopped,
    ExplainedBy{"close-wait-leak", Link::most_fds, Then::keep, kBuysTime, kCloseFirst},
    ExplainedBy{"closed-socket-fd-leak", Link::most_fds, Then::keep, kBuysTime, kCloseFirst},
    ExplainedBy{"established-growth", Link::most_fds, Then::keep, kBuysTime, kCloseFirst},
    ExplainedBy{"fin-wait2-app-held", Link::most_fds, Then::keep, kBuysTime, kCloseFirst},
};

}  // namespace
}  // namespace fd_limit_rule

namespace rules {

extern const Rule fd_limit_reached = {
    .id = "fd-limit-reached",
    .title = "a process has no descriptors left",
    .explanation =
        "Each process may have so many open files at once (RLIMIT_NOFILE). At the limit accept() fails with EMFILE and "
        "leaves the connection in its queue: it looks as if the program were slow, and is not.",
    .thresholds = fd_limit_rule::kThresholds,
    .references = fd_limit_rule::kReferences,
    .explained_by = fd_limit_rule::kExplainedBy,
    .judge = fd_limit_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
