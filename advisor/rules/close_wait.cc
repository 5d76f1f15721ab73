// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/both_write.h"
#include "advisor/rules/close_wait_course.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/inherited.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/safe_steps.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace close_wait_rule {
namespace {

constexpr Threshold kShareOfSockets = ratio_threshold("share_of_sockets", 0.05);  // of the process
constexpr Threshold kPoolAtMost = count_threshold("pool_at_most", 128);  // more that stand still are no usual pool
constexpr double kMostUnread = 0.8;                                      // of the sockets, to say so
constexpr std::size_t kSteadySamples = 3;                                // the count must not fall over so many

const std::vector<NotUseful> kNoSysctlClosesThem = {
    {"net.ipv4.tcp_fin_timeout", "it ends FIN_WAIT_2 of sockets that are closed already; CLOSE_WAIT has no timer"},
    {"net.ipv4.tcp_keepalive_*", "acts only with SO_KEEPALIVE, and then frees the connection but not the descriptor"},
    {"net.ipv4.tcp_tw_reuse", "concerns TIME_WAIT, which is the other end of a clean close"},
};

/// max(min_count, 5 % of the process' sockets, rounded up).
std::uint64_t threshold_of(const Holding& holding, const Policy& policy) {
  double sockets = holding.owner == nullptr ? 0 : holding.owner->tcp_sockets();
  std::uint64_t share = to_u64(std::ceil(sockets * policy.value(kShareOfSockets) - 1e-6));
  return std::max<std::uint64_t>(policy.min_count, share);
}

/// What the count did, and what that makes of it.
struct Course {
  std::optional<Sweeps> sweeps;
  std::optional<Steady> steady;
  Inherited inherited = {};
  bool late = false;       ///< each is closed after a while: none is forgotten
  bool pool_like = false;  ///< steady, and almost none of them is what a pool does not keep
};

Course course_of(const Window& window, const Policy& policy, const Holding& holding, std::uint64_t threshold) {
  Course course;
  const double policy_s = static_cast<double>(policy.window.count()) * policy.windows / 1000;
  const double look_s = std::max(policy_s, 2 * static_cast<double>(policy.age.count()) / 1000);
  if (holding.owner != nullptr) course.sweeps = sweeps_of(window, *holding.owner, look_s, threshold);
  course.steady = steady_of(window, holding);
  course.inherited = inherited_by(window, holding);
  course.late = !course.sweeps && closes_late(window, policy, holding);
  course.pool_like = course.steady && course.steady->suspects < threshold && !course.inherited.seen;
  return course;
}

double fd_use(const Holding& holding) {
  if (holding.owner == nullptr || !holding.owner->fds || holding.owner->fd_limit.value_or(0) == 0) return 0;
  return static_cast<double>(*holding.owner->fds) / static_cast<double>(*holding.owner->fd_limit);
}

/// A leak whose traffic has stopped stands still as well, so a large number counts as a pool only if the process went
/// on working.
bool is_pool(const Policy& policy, const Holding& holding, const Course& course) {
  if (!course.pool_like || fd_use(holding) > policy.value(kFdUse)) return false;
  return course.steady->busy() || static_cast<double>(holding.count) <= policy.value(kPoolAtMost);
}

std::string find_step(const Sample& now, const Finding& finding) {
  return fmt::format("find them: {}ss -tnp state close-wait{}", in_netns(now, finding.scope.netns),
                     finding.scope.pid ? fmt::format(" | grep 'pid={},'", *finding.scope.pid) : "");
}

/// Those that were accepted are named by the port that they came to: their peers are anybody.
std::string code_step(const Connections& connections, const std::vector<const SocketRow*>& rows) {
  if (rows.empty()) return "";
  const SocketRow& first = *rows.front();
  bool one_port = std::ranges::all_of(rows, [&](const SocketRow* row) { return row->local.port == first.local.port; });
  if (one_port && (rows.size() > 1 || listener_of(connections, first.netns, first.local) != nullptr)) {
    return fmt::format("look at the code that serves port {}", first.local.port);
  }
  const std::string remotes = common_remote(rows);
  return remotes.empty() ? "" : "look at the code that talks to " + remotes;
}

Finding start(const Holding& holding) {
  Finding finding;
  finding.id = "close-wait-leak";
  finding.scope = holding.scope;
  finding.finding_class = FindingClass::application;
  return finding;
}

void add_evidence(const Window& window, const Policy& policy, const Holding& holding, std::uint64_t threshold,
                  Finding& finding) {
  finding.evidence = leak_evidence(window, policy, holding, "close_wait", threshold);
  finding.not_useful = kNoSysctlClosesThem;
}

Finding pool_of(const Window& window, const Policy& policy, const Holding& holding, const Course& course,
                std::uint64_t threshold, Telling& telling) {
  Finding finding = start(holding);
  finding.severity = Severity::info;
  if (telling.too_many(finding)) return finding;
  add_evidence(window, policy, holding, threshold, finding);
  std::string who = process_text(finding.scope);
  finding.title = fmt::format("{} keeps {} whose peers have closed, as an idle pool does", who,
                              counted(holding.count, "connection"));
  std::string steady =
      fmt::format("it opened them itself, nothing in them waits to be read, and there were {} at each look of {}",
                  with_commas(to_u64(course.steady->count)), seconds_text(window.span_s()));
  finding.confidence = course.steady->busy() ? Confidence::medium : Confidence::low;
  finding.confidence_why =
      steady + (course.steady->turns_over ? ", though not always the same ones: they are used"
                : course.steady->works_on ? " while it went on working"
                                          : "; whether it worked meanwhile does not show, and a leak whose traffic has "
                                            "stopped looks the same");
  finding.evidence.push_back(measured(window, "close_wait_at_first", source_of(window.latest(), FactId::owners),
                                      course.steady->count, "sockets", policy.value(kPoolAtMost)));
  finding.meaning =
      "A pool that checks its connections at the next use keeps those that the server has closed until then. As long "
      "as "
      "their number is bounded they cost a descriptor each, nothing more; one that grows under load is a leak.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::none;
  cure.text = "Change nothing while the number stays as it is; look again under load.";
  cure.steps.push_back(find_step(window.latest(), finding));
  cure.steps.push_back(
      "an idle time-out of the pool that is shorter than the server's keeps them from being closed first");
  cure.verify = fmt::format("tcpadvisor report --only close-wait-leak, under load: not more than {}",
                            with_commas(to_u64(course.steady->count)));
  return finding;
}

/// What is said of it beside the count: how sure, and why.
void weigh(const Policy& policy, const Holding& holding, const Course& course, Finding& finding) {
  const Series& counts = holding.counts;
  const bool grows = counts.last() > counts.first(), falls = counts.falls() > 0;
  finding.severity = Severity::warning;
  if (course.sweeps) {
    finding.confidence = Confidence::medium;
    finding.confidence_why = fmt::format(
        "the count falls in bulk and grows again (from {:.0f} to {:.0f}): closes come in bursts, as from a finalizer",
        course.sweeps->low, course.sweeps->peak);
  } else if (course.pool_like) {
    finding.confidence = Confidence::low;
    finding.confidence_why =
        "the count stands still: a leak whose traffic has stopped, or a pool that is larger than most";
  } else if (!course.late && (grows || counts.tail(kSteadySamples).falls() == 0)) {
    finding.confidence_why = fmt::format("{} are older than {} and the count {}", with_commas(holding.old),
                                         human_duration(policy.age), grows ? "grows" : "does not fall");
  } else if (course.late) {
    finding.severity = Severity::info;
    finding.confidence = Confidence::medium;
    finding.confidence_why = fmt::format("no one is older than {}: each is closed, though late, and the number stands",
                                         human_duration(holding.oldest.value));
  } else if (falls && counts.rises() > 0) {
    finding.confidence = Confidence::medium;
    finding.confidence_why = fmt::format("the count falls and rises (from {:.0f} to {:.0f}, median age {})",
                                         counts.min(), counts.max(), human_duration(holding.median.value));
  } else {
    finding.severity = Severity::info;
    finding.confidence = Confidence::low;
    finding.confidence_why = "the count is falling: the process may be catching up";
  }
  if (fd_use(holding) > policy.value(kFdUse)) finding.severity = Severity::critical;
}

/// When the descriptors end, if nothing is ever closed: what falls now and then tells no such time.
std::string time_left(const Holding& holding) {
  double growth = holding.counts.per_minute();
  if (fd_use(holding) == 0 || growth <= 0 || holding.counts.falls() > 0) return "";
  double left = static_cast<double>(*holding.owner->fd_limit) - static_cast<double>(*holding.owner->fds);
  return fmt::format(" At this rate it has none left in {}.", seconds_text(left / growth * 60));
}

/// Most of them are requests that nobody has read: the program does not get as far as to close them. What the program
/// opened itself may hold a last word of the peer, such as the end of a TLS session, that a forgotten connection never
/// reads.
bool is_unread(const Connections& connections, const Holding& holding) {
  auto unread = std::ranges::count_if(
      holding.rows, [&](const SocketRow* row) { return row->recv_q > 0 && accepted_here(connections, *row); });
  return unread > 0 && static_cast<double>(unread) >= kMostUnread * static_cast<double>(holding.rows.size());
}

/// In place of a slope through the teeth of a saw.
void add_sweeps(const Window& window, const Sweeps& sweeps, Finding& finding) {
  std::erase_if(finding.evidence, [](const Measurement& part) { return part.metric == "close_wait_growth"; });
  std::string source = source_of(window.latest(), FactId::owners);
  finding.evidence.push_back(measured(window, "close_wait_peak", source, sweeps.peak, "sockets"));
  finding.evidence.push_back(measured(window, "sweeps", source, static_cast<double>(sweeps.count), "falls in bulk"));
  finding.evidence.push_back(measured(window, "left_open", source, sweeps.left_per_minute, "per_min"));
}

Finding leak_of(const Window& window, const Policy& policy, const Holding& holding, const Course& course,
                std::uint64_t threshold, Telling& telling) {
  const Sample& now = window.latest();
  Finding finding = start(holding);
  if (course.sweeps) finding.scope.count = std::max(holding.count, to_u64(course.sweeps->peak));
  weigh(policy, holding, course, finding);
  if (telling.too_many(finding)) return finding;
  add_evidence(window, policy, holding, threshold, finding);
  std::string who = process_text(finding.scope);
  if (course.sweeps) {
    finding.title = fmt::format("{} leaves up to {} open whose peers have closed, and sweeps them up now and then", who,
                                counted(finding.scope.count, "socket"));
    add_sweeps(window, *course.sweeps, finding);
  } else {
    const bool unread = is_unread(window.connections(), holding);
    finding.title = fmt::format("{} {} {} whose peers have closed", who,
                                course.late ? "closes late: now"
                                : unread    ? "neither reads nor closes"
                                            : "does not close",
                                counted(holding.count, "socket"));
  }
  finding.meaning =
      fmt::format(
          "The peers have closed their end; each socket keeps a descriptor and kernel memory until {} calls "
          "close().",
          finding.scope.pid ? "this process" : "its holder") +
      time_left(holding);
  if (course.sweeps) {
    finding.meaning +=
        " Something closes them late and in bulk, such as a garbage collector: it hides the fault, and does not cure "
        "it.";
  }
  if (!finding.scope.pid) {
    if (finding.scope.holder != Holder::no_descriptor)
      finding.confidence = std::min(finding.confidence, Confidence::medium);
    finding.confidence_why += why_no_pid(finding.scope);
  }

  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text =
      "Fix the application: close the socket when a read returns 0, on every path, also after errors and time-outs.";
  if (is_unread(window.connections(), holding)) {
    cure.text =
        "Fix the application: it does not even read what came on these sockets. See whether it hangs (a lock, a slow "
        "call, a pool of threads that is used up), or has lost sight of them; close the socket when a read returns 0.";
    if (finding.scope.pid) {
      cure.steps.push_back(
          step_to_see_what_it_does({.pid = *finding.scope.pid,
                                    .comm = finding.scope.comm,
                                    .holders = 1 + static_cast<std::uint32_t>(finding.scope.others.size())}));
    }
  }
  cure.steps.push_back(find_step(now, finding));
  if (std::string code = code_step(window.connections(), holding.rows); !code.empty())
    cure.steps.push_back(std::move(code));
  if (course.pool_like) {
    cure.steps.push_back("if they belong to a pool, give it a bound and an idle time-out shorter than the server's");
  } else if (finding.scope.pid) {
    std::string restart = step_to_restart({.pid = *finding.scope.pid,
                                           .comm = finding.scope.comm,
                                           .holders = 1 + static_cast<std::uint32_t>(finding.scope.others.size())});
    if (!restart.empty()) cure.steps.push_back(std::move(restart));
  }
  say_inherited(course.inherited, who, finding);
  cure.verify = fmt::format("tcpadvisor report --only close-wait-leak: no CLOSE_WAIT socket older than {}",
                            human_duration(policy.age));
  return finding;
}

/// A process whose last sweep left none behind.
Holding swept_clean(const Window& window, const OwnerTotals& owner) {
  Holding holding;
  holding.owner = &owner;
  holding.scope.kind = ScopeKind::process;
  holding.scope.netns = owner.netns;
  holding.scope.netns_name = netns_name(window.latest(), owner.netns);
  holding.scope.pid = owner.pid;
  holding.scope.comm = owner.comm;
  holding.scope.cgroup = owner.cgroup;
  holding.counts = window.owner_series(
      owner, [](const PastOwner& then) { return std::optional<double>(then.sockets[index_of(TcpState::close_wait)]); });
  return holding;
}

/// Those that hold none at this moment. Few, because somebody must have held more at an earlier one.
std::vector<Holding> all_swept_clean(const Window& window, std::uint64_t at_least) {
  std::vector<Holding> out;
  std::uint64_t most = 0, now = window.last().held[index_of(TcpState::close_wait)];
  for (std::size_t i = 0; i < window.samples(); ++i) {
    most = std::max(most, window.at(i).held[index_of(TcpState::close_wait)]);
  }
  if (most < add_sat(now, at_least)) return out;
  for (const OwnerTotals& owner : window.latest().owners) {
    if (owner.sockets[index_of(TcpState::close_wait)] == 0) out.push_back(swept_clean(window, owner));
  }
  return out;
}

Outcome judge_close_wait_leak(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);

  Outcome outcome;
  Telling telling;
  std::uint64_t old = 0, undecided = 0, undecided_others = 0;
  std::string undecided_who;
  std::vector<Holding> all = holdings(window, policy, TcpState::close_wait);
  std::ranges::move(all_swept_clean(window, policy.min_count), std::back_inserter(all));
  std::vector<Holding> below;
  for (const Holding& holding : all) {
    std::uint64_t threshold = threshold_of(holding, policy);
    old = add_sat(old, holding.old);
    if (holding.old >= threshold && holding.counts.size() < kSteadySamples)
      return Outcome::unknown(too_few_samples(window, kSteadySamples));
    Course course = course_of(window, policy, holding, threshold);
    if (holding.old >= threshold || course.sweeps) {
      outcome.findings.push_back(is_pool(policy, holding, course) && !course.sweeps
                                     ? pool_of(window, policy, holding, course, threshold, telling)
                                     : leak_of(window, policy, holding, course, threshold, telling));
    } else if (add_sat(holding.old, holding.persisted) >= threshold) {
      undecided = add_sat(undecided, holding.persisted);
      if (undecided_who.empty()) {
        undecided_who = process_text(holding.scope);
      } else {
        ++undecided_others;
      }
    } else if (holding.old > 0) {
      below.push_back(holding);
    }
  }
  // A server that starts a process for each connection leaks one in each.
  for (const Holding& family : together(window, std::move(below), TcpState::close_wait)) {
    if (family.old < policy.min_count || family.counts.size() < kSteadySamples) continue;
    Course course = course_of(window, policy, family, policy.min_count);
    outcome.findings.push_back(is_pool(policy, family, course)
                                   ? pool_of(window, policy, family, course, policy.min_count, telling)
                                   : leak_of(window, policy, family, course, policy.min_count, telling));
  }
  std::uint64_t unknown = 0, total = 0, rows = 0;
  for (const NetnsSample& netns : now.netns) total = add_sat(total, netns.states[index_of(TcpState::close_wait)].count);
  for (const SocketRow* row : window.connections().in_state(TcpState::close_wait)) {
    ++rows;
    if (row->holder == Holder::unknown && row->inode == 0) ++unknown;
  }
  if (undecided > 0) {
    outcome.not_assessed = fmt::format(
        "{} of {}{} stayed for all the {} that we watched; how long before that is not known: observe for {} or longer",
        counted(undecided, "CLOSE_WAIT socket"), undecided_who,
        undecided_others > 0 ? " and " + counted(undecided_others, "other") : "", seconds_text(window.span_s()),
        human_duration(policy.age));
  } else if (unknown >= policy.min_count) {
    outcome.not_assessed = fmt::format("{} have no visible holder ({} does not tell)",
                                       counted(unknown, "CLOSE_WAIT socket"), source_of(now, FactId::snapshot));
  } else if (!owners_known(now) && now.rows_suppressed > 0 && total >= rows + policy.min_count) {
    outcome.not_assessed =
        fmt::format("{} over the limit of rows, and owners are not known", counted(total - rows, "CLOSE_WAIT socket"));
  }
  return Outcome::of(std::move(outcome.findings), std::move(outcome.not_assessed),
                     fmt::format("CLOSE_WAIT sockets held for more than {}", human_duration(policy.age)),
                     with_commas(old));
}

constexpr std::array kCloseWaitLeakThresholds = {kMinCount, kShareOfSockets, kPoolAtMost, kFdUse};
constexpr std::array<std::string_view, 1> kCloseWaitLeakReferences = {"RFC 9293 section 3.6 (half-closed connections)"};

constexpr std::string_view kCulpritFirst = "Fix {who} first: the next step is there.";
constexpr std::array kCloseWaitLeakExplainedBy = {
    kProcessStopped,
    ExplainedBy{"close-wait-leak", Link::relayed, Then::lower,
                "it passes on an end that {who} owes, and closes as soon as that one does", kCulpritFirst},
    ExplainedBy{"reader-too-slow", Link::relayed, Then::lower, "it still has data for {who}, which does not read them"},
    ExplainedBy{"fin-wait2-app-held", Link::other_side, Then::lower,
                "it has passed on the end of these connections, and waits for the peers of its other side",
                "See the finding on its other side first: these close when those peers do."},
    ExplainedBy{"fin-wait2-app-held", Link::other_ends, Then::lower,
                "the peer, {who}, has only shut down its sending half and may still wait for data"},
};

}  // namespace
}  // namespace close_wait_rule

namespace rules {

extern const Rule close_wait_leak = {
    .id = "close-wait-leak",
    .title = "a process does not close sockets whose peers have closed",
    .explanation =
        "The peer has closed its end of these connections; our process got the end of file and has not called "
        "close(). Each such socket keeps a descriptor and kernel memory for as long as the process lives: no "
        "timer of the kernel ends CLOSE_WAIT.",
    .thresholds = close_wait_rule::kCloseWaitLeakThresholds,
    .references = close_wait_rule::kCloseWaitLeakReferences,
    .explained_by = close_wait_rule::kCloseWaitLeakExplainedBy,
    .judge = close_wait_rule::judge_close_wait_leak,
};

}  // namespace rules
}  // namespace tcpadvisor
