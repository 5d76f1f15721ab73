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
#include "advisor/evidence/owner_group.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"
#include "advisor/rules/worker_pool.h"

namespace tcpadvisor {
namespace process_stopped_rule {
namespace {

constexpr Threshold kStandsFor = time_threshold("stands_for", 3);  // at least, and never longer than the windows
constexpr std::size_t kFewestLooks = 3;
constexpr std::size_t kFewestDiskLooks = 5;  // a busy disk makes anybody wait for a moment

bool does_not_run(ProcessState state) {
  return state == ProcessState::stopped || state == ProcessState::frozen || state == ProcessState::disk_wait;
}

/// How long a process has been seen in its state in every look without a break, until now.
struct Halt {
  const OwnerTotals* owner = nullptr;
  double for_s = 0;
  std::size_t looks = 0;
  bool always = true;  ///< in all looks there are
};

Halt halt_of(const Window& window, const OwnerTotals& owner) {
  Halt halt{.owner = &owner};
  Series states = window.owner_series(
      owner, [](const PastOwner& then) { return std::optional<double>(static_cast<double>(then.process_state)); });
  const auto now = static_cast<double>(owner.process_state);
  for (auto point = states.points().rbegin(); point != states.points().rend(); ++point) {
    halt.always = point->value == now;
    if (!halt.always) break;
    halt.for_s = window.span_s() - point->t_s;
    ++halt.looks;
  }
  return halt;
}

/// What others wait for at one process.
struct Waits {
  std::uint64_t unread = 0, unread_sockets = 0, connections = 0, not_closed = 0;
  bool shared = false;                        ///< others, who run, hold some of its sockets too
  std::vector<const OwnerTotals*> with = {};  ///< all workers of its pool, itself among them: none of them runs
  std::vector<const SocketRow*> rows;
  bool any() const { return unread + connections + not_closed > 0; }
};

void add(const SocketRow& row, Waits& waits) {
  bool waiting = row.state == TcpState::close_wait || row.recv_q > 0;
  if (row.state == TcpState::listen) {
    waits.connections = add_sat(waits.connections, std::uint64_t{row.accept_queue.value_or(0)});
    waiting = row.accept_queue.value_or(0) > 0;
  } else if (row.recv_q > 0) {
    waits.unread = add_sat(waits.unread, row.recv_q);
    ++waits.unread_sockets;
  }
  if (row.state == TcpState::close_wait) ++waits.not_closed;
  if (waiting) waits.rows.push_back(&row);
}

/// A socket that somebody else holds who runs is looked after: it counts for nobody.
bool nobody_else_runs(const SocketRow& row, const std::map<Pid, Halt>& halted) {
  if (row.owner->holders <= 1) return true;
  return row.others.size() + 1 >= row.owner->holders &&
         std::ranges::all_of(row.others, [&](const HoldingProcess& other) { return halted.contains(other.pid); });
}

/// A listener that its workers share, and none of them runs: whoever opened it for them does not serve.
bool add_pool(const Connections& connections, const SocketRow& row, const std::map<Pid, Halt>& halted,
              std::map<Pid, Waits>& waits) {
  if (row.state != TcpState::listen || row.owner->holders < 2 || halted.empty()) return false;
  WorkerPool pool = worker_pool(connections, row);
  if (!pool.halted()) return false;
  Waits& here = waits[pool.workers.front()->pid];
  add(row, here);
  here.with = std::move(pool.workers);
  return true;
}

/// The same where the workers are another program than their parent, which runs and only looks after them.
void add_workers(const Sample& now, const SocketRow& row, const std::map<Pid, Halt>& halted,
                 std::map<Pid, Waits>& waits) {
  if (row.state != TcpState::listen || halted.empty()) return;
  auto workers = affected_workers(now, row, [&](Pid pid) { return halted.contains(pid); });
  if (workers.empty()) return;
  Waits& here = waits[workers.front()->pid];
  add(row, here);
  here.with = std::move(workers);
}

/// Workers that stand still together are one story, told of the first.
void join_pools(std::map<Pid, Waits>& waits) {
  for (auto& [pid, all] : waits) {
    for (const OwnerTotals* worker : all.with) {
      auto one = waits.find(worker->pid);
      if (worker->pid == pid || one == waits.end()) continue;
      all.unread = add_sat(all.unread, one->second.unread);
      all.unread_sockets = add_sat(all.unread_sockets, one->second.unread_sockets);
      all.connections = add_sat(all.connections, one->second.connections);
      all.not_closed = add_sat(all.not_closed, one->second.not_closed);
      all.rows.insert(all.rows.end(), one->second.rows.begin(), one->second.rows.end());
      one->second = {};
    }
  }
}

std::map<Pid, Waits> waits_of(const Sample& now, const Connections& connections, const std::map<Pid, Halt>& halted) {
  std::map<Pid, Waits> waits;
  for (const SocketRow& row : now.sockets) {
    if (!row.owner || add_pool(connections, row, halted, waits)) continue;
    if (!halted.contains(row.owner->pid)) {
      add_workers(now, row, halted, waits);
      continue;
    }
    Waits& here = waits[row.owner->pid];
    if (nobody_else_runs(row, halted)) {
      add(row, here);
    } else {
      here.shared = true;
    }
  }
  // Small queues have no row on a busy host, but the sums have them.
  for (const auto& [pid, halt] : halted) {
    Waits& here = waits[pid];
    if (!here.shared) here.unread = std::max(here.unread, halt.owner->recv_q);
  }
  join_pools(waits);
  return waits;
}

/// " 12 13"
std::string pids_text(const Halt& halt, const Waits& waits) {
  if (waits.with.empty()) return fmt::format(" {}", halt.owner->pid);
  std::string out;
  for (const OwnerTotals* one : waits.with) out += fmt::format(" {}", one->pid);
  return out;
}

/// By the freezer that holds it: v1 has a tree of its own, in which the process may be elsewhere.
void say_how_to_thaw(const OwnerTotals& owner, Recommendation& cure) {
  const bool v1 = owner.frozen_by.ends_with("freezer.state");
  const auto group = owner_group_of(owner.cgroup);
  if (owner.frozen_by.empty() && !owner.cgroup.empty()) cure.steps.push_back("its cgroup is " + owner.cgroup);
  if (group && group->kind == GroupKind::unit && !v1) {
    cure.steps.push_back("systemctl thaw " + group->id);
  } else if (owner.frozen_by.empty()) {
    cure.steps.push_back(
        "a container: docker unpause, or by what runs its pod; else echo 0 into cgroup.freeze (v2), or THAWED into "
        "freezer.state (v1), of that cgroup");
  } else {
    cure.steps.push_back(fmt::format("a container: docker unpause, or by what runs its pod; else echo {} > {}",
                                     v1 ? "THAWED" : "0", owner.frozen_by));
  }
}

void say_cure(const Halt& halt, const Waits& waits, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  const Pid pid = halt.owner->pid;
  switch (halt.owner->process_state) {
    case ProcessState::frozen:
      cure.text = "Thaw its cgroup, and find out who froze it (a paused container, a suspended unit, a backup).";
      say_how_to_thaw(*halt.owner, cure);
      break;
    case ProcessState::disk_wait:
      cure.text = "Mend what it waits for: storage, a network file system, or a driver. Signals do not reach it.";
      cure.steps.push_back(
          fmt::format("see what it waits for: cat /proc/{0}/wchan /proc/{0}/stack; dmesg | tail", pid));
      break;
    default:
      cure.text = "Let it go on, and find out who stopped it (a signal, ctrl-Z in a terminal, a debugger).";
      cure.steps.push_back(
          fmt::format("see whether a debugger holds it: grep -E 'State|TracerPid' /proc/{}/status", pid));
      cure.steps.push_back("if none does: kill -CONT" + pids_text(halt, waits));
  }
  cure.verify = fmt::format("grep State /proc/{}/status: S or R", pid);
}

std::string_view word_of(ProcessState state) {
  if (state == ProcessState::frozen) return "is frozen";
  return state == ProcessState::disk_wait ? "hangs in the kernel (state D)" : "is stopped";
}

std::string waits_text(const Waits& waits) {
  std::vector<std::string> parts;
  if (waits.connections > 0) parts.push_back(counted(waits.connections, "connection") + " to accept");
  if (waits.unread > 0) parts.push_back(human_bytes(waits.unread) + " to read");
  if (waits.not_closed > 0) parts.push_back(counted(waits.not_closed, "socket") + " to close");
  return fmt::format("{}", fmt::join(parts, ", "));
}

Finding finding_for(const Evidence& in, const Halt& halt, const Waits& waits) {
  const Window& window = in.window;
  const OwnerTotals& owner = *halt.owner;
  Finding finding;
  finding.id = "process-stopped";
  finding.severity = waits.connections > 0 ? Severity::critical : Severity::warning;
  finding.finding_class = FindingClass::application;
  Scope& scope = finding.scope;
  scope.kind = ScopeKind::process;
  scope.netns = waits.rows.empty() ? owner.netns : waits.rows.front()->netns;
  scope.netns_name = netns_name(in.now(), scope.netns);
  name_holder(scope, waits.rows);  // of several stopped workers any may come first
  scope.pid = owner.pid;
  scope.comm = owner.comm;
  scope.cgroup = owner.cgroup;
  scope.local = common_local(waits.rows);
  std::erase_if(scope.others, [&](const HoldingProcess& other) { return other.pid == owner.pid; });
  scope.count = std::max<std::uint64_t>(waits.rows.size(), 1);
  finding.title =
      fmt::format("{} {}, and has {}", process_text(scope), word_of(owner.process_state), waits_text(waits));
  bool hangs = owner.process_state == ProcessState::disk_wait;
  finding.confidence = hangs ? Confidence::medium : Confidence::high;
  finding.confidence_why = fmt::format("so in each of the last {}", counted(halt.looks, "look"));
  if (hangs) finding.confidence_why += "; only its main thread was looked at";
  std::string source = "/proc/PID/stat and its cgroup's freezer";
  finding.evidence.push_back(measured(window, halt.always ? "stands_for_at_least" : "stands_for", source, halt.for_s,
                                      "s", in.policy.value(kStandsFor)));
  std::string snapshot = source_of(in.now(), FactId::snapshot);
  auto say = [&](const char* metric, std::uint64_t value, const char* unit) {
    if (value > 0) finding.evidence.push_back(measured(window, metric, snapshot, static_cast<double>(value), unit));
  };
  say("accept_queue", waits.connections, "connections");
  say("unread_bytes", waits.unread, "bytes");
  say("close_wait_sockets", waits.not_closed, "sockets");
  finding.meaning =
      "The kernel goes on without it: it completes handshakes, acknowledges data and keepalive probes, and fills the "
      "queues. No line of the program runs, so nothing is accepted, read or closed; peers see a host that is well and "
      "a service that never answers.";
  if (waits.with.size() > 1) {
    finding.meaning += fmt::format(" None of the {} processes that should accept runs: {}.",
                                   with_commas(waits.with.size()), workers_text(waits.with));
  }
  say_cure(halt, waits, finding);
  finding.not_useful = {
      {"net.core.somaxconn, net.ipv4.tcp_rmem", "longer queues hold more that nobody looks at"},
      {"net.ipv4.tcp_keepalive_*", "its kernel answers the probes of the peers"},
  };
  return finding;
}

/// Not only now: one that has just begun or ended is not looked at in time.
bool was_unknown(const Window& window, const OwnerTotals& owner) {
  if (window.before() == nullptr) return true;
  const PastOwner* then = window.before()->find(owner);
  return then != nullptr && then->process_state == ProcessState::unknown;
}

Outcome judge(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  if (!owners_known(now)) return Outcome::unknown("which processes hold the sockets is not known");
  std::map<Pid, Halt> halted;
  std::uint64_t unknown = 0;
  for (const OwnerTotals& owner : now.owners) {
    if (does_not_run(owner.process_state)) halted.emplace(owner.pid, halt_of(window, owner));
    if (owner.process_state == ProcessState::unknown && was_unknown(window, owner)) ++unknown;
  }
  double windows_s = static_cast<double>(in.policy.window.count()) * in.policy.windows / 1000;
  double needed_s = std::min(in.policy.value(kStandsFor), windows_s);
  bool too_early = false;
  std::vector<Finding> findings;
  const std::map<Pid, Waits> all_waits = waits_of(now, window.connections(), halted);
  for (const auto& [pid, halt] : halted) {
    const Waits& waits = all_waits.find(pid)->second;  // there is one for each
    if (!waits.any()) continue;
    bool hangs = halt.owner->process_state == ProcessState::disk_wait;
    double long_s = hangs ? std::max(needed_s, std::min(windows_s, window.span_s())) : needed_s;
    if (halt.looks >= (hangs ? kFewestDiskLooks : kFewestLooks) && halt.for_s + window.interval_s() / 2 >= long_s) {
      findings.push_back(finding_for(in, halt, waits));
    } else if (halt.always && !hangs) {
      too_early = true;
    }
  }
  std::string why;
  if (too_early) why = too_few_samples(window, std::max(kFewestLooks, window.samples() + 1));
  if (why.empty() && unknown > 0)
    why = fmt::format("whether {} of the {} processes that hold sockets run is not known", with_commas(unknown),
                      with_commas(now.owners.size()));
  if (why.empty()) why = holders_outside(now);
  return Outcome::of(std::move(findings), std::move(why), "stopped processes for which somebody waits",
                     fmt::format("0 of {} that do not run now", halted.size()));
}

constexpr std::array kThresholds = {kStandsFor};
constexpr std::array<std::string_view, 2> kReferences = {"proc(5): /proc/pid/stat", "cgroups(7), freezer"};

}  // namespace
}  // namespace process_stopped_rule

namespace rules {

extern const Rule process_stopped = {
    .id = "process-stopped",
    .title = "a process that others wait for does not run",
    .explanation =
        "A process that a signal, a debugger or its cgroup's freezer has stopped, or that hangs in the kernel, keeps "
        "its sockets: peers connect and send, and nothing answers. All that its sockets show follows from that.",
    .thresholds = process_stopped_rule::kThresholds,
    .references = process_stopped_rule::kReferences,
    .judge = process_stopped_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
