// SPDX-License-Identifier: Apache-2.0
// SO_LINGER: with a time, close() waits for the peer; with 0, close() resets and throws away what was not sent.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace so_linger_rule {
namespace {

constexpr Threshold kHangsFor = time_threshold("hangs_for", 1);
constexpr Threshold kMinResets = count_threshold("min_resets", 10, "connections").clears_at(0.5);
constexpr Threshold kMinLost =
    count_threshold("min_lost", 10, "connections").clears_at(0.5);  // with data that nobody got
constexpr double kOurShare = 1.25;  // resets of the whole host, of those of one namespace: more are of others as well
constexpr const char* kId = "so-linger-misuse";
constexpr std::string_view kCounter = "TcpExt.TCPAbortOnData";
constexpr std::string_view kReason = "TCP_STATE";  // of a connection that ends without a FIN: tcp_disconnect()

/// close() has been called and has not come back: the connection ends, and is not yet the kernel's alone.
bool close_waits(const SocketRow& row) {
  const bool ends =
      row.state == TcpState::fin_wait_1 || row.state == TcpState::last_ack || row.state == TcpState::closing;
  return ends && row.kind == SocketKind::full && row.linger_ms.value_or(0) > 0 && row.send_q > 0 &&
         (row.holder == Holder::no_descriptor || row.holder == Holder::unknown);
}

struct Hanging {
  std::vector<const SocketRow*> rows;
  double for_s = 0, linger_s = 0;  ///< the longest
  std::uint64_t unsent = 0;
};

std::string who_text(const std::string& users) {
  return users.empty() ? "the program that closes them" : users;
}

/// The same advice for both ends of the option.
void say_common(Finding& finding) {
  finding.recommendation.kind = RecommendationKind::application;
  finding.not_useful = {
      {"net.ipv4.tcp_fin_timeout, net.ipv4.tcp_tw_reuse", "the program chose how its connections end"},
      {"SO_LINGER with a longer or shorter time", "either close() stands still, or data is lost all the same"},
  };
}

Finding close_hangs(const Evidence& in, NetnsId netns, const Hanging& here) {
  const Sample& now = in.now();
  Finding finding;
  finding.id = kId;
  finding.topic = "close-hangs";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  Scope& scope = finding.scope;
  scope.netns = netns;
  scope.netns_name = netns_name(now, netns);
  name_sockets(scope, here.rows);
  scope.holder = Holder::unknown;  // a thread in close() has them: they wait in no message
  scope.last_users.clear();
  scope.cgroup = here.rows.front()->cgroup;
  const std::string users = last_users_text(here.rows), linger = seconds_text(here.linger_s);
  finding.title =
      fmt::format("close() stands still in {}: {} to {} with SO_LINGER {} and {} that the peer has not taken",
                  users.empty() ? "a program" : users, counted(here.rows.size(), "connection"),
                  scope.remote.empty() ? "several peers" : scope.remote, linger, human_bytes(here.unsent));
  finding.confidence = users.empty() ? Confidence::medium : Confidence::high;
  finding.confidence_why =
      fmt::format("no process has a descriptor any more, and the kernel has not let go of them for {}: close() waits{}",
                  seconds_text(here.for_s), users.empty() ? "; who called it was not seen" : "");
  const std::string source = source_of(now, FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("closes_that_wait", static_cast<double>(here.rows.size()), "sockets");
  say("wait_for", here.for_s, "s", in.policy.value(kHangsFor));
  say("linger", here.linger_s, "s");
  say("unsent_bytes", static_cast<double>(here.unsent), "bytes");
  finding.meaning = fmt::format(
      "With SO_LINGER and a time, close() returns only when the peer has taken everything, or after that time, also on "
      "a socket that does not block. The thread that called it does nothing else for up to {}; in an event loop all "
      "other connections wait as well.",
      linger);
  say_common(finding);
  finding.recommendation.text = fmt::format(
      "In {}: do not set SO_LINGER with a time. close() returns at once then, and the kernel sends what is left.",
      who_text(users));
  finding.recommendation.steps = {
      "to know that all was read: shutdown(SHUT_WR), then read to the end with a time-out of your own",
      "to bound what the kernel keeps for a peer that does not read: TCP_USER_TIMEOUT before close()",
      users.empty() ? "who calls it: bpftrace -e 'kprobe:sk_stream_wait_close { @[comm, pid] = count(); }'"
                    : "where: strace -f -T -e trace=close -p PID shows how long each takes"};
  finding.recommendation.verify = "tcpadvisor report --only so-linger-misuse: no close() waits";
  return finding;
}

/// Connections of one namespace that were ended by SO_LINGER 0, as far as that is known.
struct Resets {
  Counted counted;
  std::vector<const SocketRow*> rows;      ///< that are open, and would end this way
  std::optional<std::uint64_t> by_reason;  ///< of the whole host, since we began to look
  std::uint64_t lost = 0, lost_bytes = 0;  ///< ended with data that nobody got
  bool lost_by_host = false;               ///< of the whole host: by process it was not counted
  std::vector<const Closes*> losers;       ///< the processes that lost it, most first, where that was counted
};

/// What the processes of this namespace threw away. False: not counted by process.
bool count_losers(const Sample& now, NetnsId netns, Resets& out) {
  bool counted = false;
  for (const Closes& one : now.closes) {
    counted |= one.lost.has_value();
    if (one.netns != netns || one.lost.value_or(0) == 0) continue;
    out.losers.push_back(&one);
    out.lost = add_sat(out.lost, *one.lost);
    out.lost_bytes = add_sat(out.lost_bytes, one.lost_bytes.value_or(0));
  }
  std::ranges::sort(out.losers,
                    [](const Closes* a, const Closes* b) { return a->lost != b->lost ? a->lost > b->lost : *a < *b; });
  return counted;
}

/// The same counter takes data that came after close(); the kernel's reason, or the option on what is open, tells.
std::optional<Resets> resets_of(const Evidence& in, const NetnsSample& netns, const Counted& counted) {
  Resets out{.counted = counted};
  for (const SocketRow& row : in.now().sockets) {
    const bool open = row.state == TcpState::established || row.state == TcpState::close_wait;
    if (row.netns == netns.id && open && row.linger_ms == 0 && held_by_process(row)) out.rows.push_back(&row);
  }
  const bool by_process = count_losers(in.now(), netns.id, out);
  if (const auto& life = in.now().lifecycle) {
    if (auto found = life->resets_sent.find(std::string(kReason)); found != life->resets_sent.end())
      out.by_reason = found->second;
    // What the whole host counts is this namespace's only where nobody else ends connections this way.
    const bool alone = !out.by_reason || static_cast<double>(*out.by_reason) <= kOurShare * counted.times;
    if (alone && !by_process) {
      out.lost = life->unsent_at_close;
      out.lost_bytes = life->unsent_bytes_at_close;
      out.lost_by_host = true;
    } else if (!alone && out.rows.empty() && out.losers.empty()) {
      return std::nullopt;
    }
  }
  if (out.rows.empty() && out.losers.empty() && static_cast<double>(out.by_reason.value_or(0)) < counted.times / 2)
    return std::nullopt;
  return out;
}

void name_loser(const Evidence& in, const Closes& loser, Scope& scope) {
  scope.kind = ScopeKind::process;
  if (loser.pid != 0) scope.pid = loser.pid;
  scope.comm = loser.comm;
  scope.count = *loser.lost;
  if (const OwnerTotals* owner = loser.pid != 0 ? in.window.connections().owner(loser.pid) : nullptr) {
    scope.comm = owner->comm;  // the hook tells the name of the thread that closed
    scope.cgroup = owner->cgroup;
  }
}

/// All that they lost they lost in this window, not long ago.
bool lost_lately(const Evidence& in, const Resets& here) {
  const double span_ms = in.window.span_s() * 1'000;
  return !here.losers.empty() && std::ranges::all_of(here.losers, [&](const Closes* loser) {
    return static_cast<double>(loser->since_ms) + static_cast<double>(loser->last_ms_ago) <= span_ms;
  });
}

std::string why_sure(const Evidence& in, const Resets& here, bool loses) {
  std::vector<std::string> whys;
  if (!here.rows.empty())
    whys.push_back(fmt::format("{} open now have SO_LINGER 0", counted(here.rows.size(), "connection")));
  for (const Closes* loser : here.losers | std::views::take(3)) {
    whys.push_back(fmt::format("{} was seen to end {} with {} not acknowledged", loser->comm,
                               counted(*loser->lost, "connection"), human_bytes(loser->lost_bytes.value_or(0))));
  }
  if (here.losers.size() > 3) whys.push_back(fmt::format("{} more did", here.losers.size() - 3));
  if (whys.empty()) whys.emplace_back("the kernel tells why it sent resets; which program closes so was not seen");
  if (!here.losers.empty() && !lost_lately(in, here))
    whys.emplace_back("counted since they began to close connections, which was before this window");
  if (loses && here.lost_by_host)
    whys.emplace_back("what was lost is counted for the whole host, since we began to look");
  return fmt::format("{}", fmt::join(whys, "; "));
}

Finding resets(const Evidence& in, const NetnsSample& netns, const Resets& here) {
  const Sample& now = in.now();
  Finding finding = finding_of_netns(now, netns, kId);
  finding.topic = "resets";
  finding.finding_class = FindingClass::application;
  const auto times = to_u64(here.counted.times);
  // Of the host's number other namespaces have a part, too, and a close() with data unread; by process it began earlier
  // than what is counted in this window. At most as many as were ended here count.
  const std::uint64_t lost = std::min(here.lost, times);
  const bool loses = static_cast<double>(lost) >= in.policy.value(kMinLost);
  finding.severity = loses ? Severity::warning : Severity::info;
  const bool seen_by_row = !here.rows.empty() && !loses;
  finding.confidence = seen_by_row || lost_lately(in, here) ? Confidence::high : Confidence::medium;
  std::map<Pid, std::vector<const SocketRow*>> by_pid;
  for (const SocketRow* row : here.rows) {
    if (row->owner) by_pid[row->owner->pid].push_back(row);
  }
  std::string who;
  if (by_pid.size() == 1) {
    name_holder(finding.scope, by_pid.begin()->second);
    finding.scope.cgroup = here.rows.front()->cgroup;
    finding.scope.local = common_local(by_pid.begin()->second);
    finding.scope.count = by_pid.begin()->second.size();
    who = process_text(finding.scope);
  } else if (here.losers.size() == 1) {
    name_loser(in, *here.losers.front(), finding.scope);
    who = process_text(finding.scope);
  }
  finding.title = fmt::format("{} ended with a reset by SO_LINGER 0{}{}", counted(times, "connection"),
                              who.empty() ? "" : ", as " + who + " does",
                              loses ? fmt::format("; {} of them lost {} that was not acknowledged", with_commas(lost),
                                                  human_bytes(here.lost_bytes))
                                    : "");
  finding.confidence_why = why_sure(in, here, loses);
  finding.evidence.push_back(measured(in.window, "ended_with_reset", std::string(kCounter), here.counted.times,
                                      "connections", in.policy.value(kMinResets)));
  finding.evidence.push_back(measured(in.window, "open_with_linger_0", source_of(now, FactId::snapshot),
                                      static_cast<double>(here.rows.size()), "sockets"));
  if (here.by_reason) {
    finding.evidence.push_back(measured(in.window, "resets_without_fin", source_of(now, FactId::resets),
                                        static_cast<double>(*here.by_reason), "segments"));
  }
  if (now.lifecycle) {
    finding.evidence.push_back(measured(in.window, "ended_with_unsent_data", source_of(now, FactId::close),
                                        static_cast<double>(here.lost), "connections", in.policy.value(kMinLost)));
  }
  if (auto linger2 = in.window.increase(netns.id, "TcpExt.TCPAbortOnLinger"); linger2 && *linger2 > 0) {
    finding.evidence.push_back(
        measured(in.window, "negative_linger2", "TcpExt.TCPAbortOnLinger", *linger2, "connections"));
  }
  finding.meaning =
      "With SO_LINGER and 0, close() sends a reset instead of a FIN and throws away what was not acknowledged. Peers "
      "get ECONNRESET, also instead of an answer that they had not read yet. As a deliberate abort (a check of a load "
      "balancer, a time-out, an attack) it is right.";
  say_common(finding);
  finding.recommendation.text =
      loses ? fmt::format("In {}: close without SO_LINGER 0 where an answer was sent; keep it for aborts.",
                          who.empty() ? "the program that sets it" : who)
            : "Nothing, if these are aborts on purpose. To avoid TIME_WAIT it is not needed: those cost nothing.";
  finding.recommendation.steps.push_back(fmt::format(
      "who sets it: {}", who.empty() ? "strace -f -e trace=setsockopt,close -p PID of the programs that close"
                                     : who + ", see its setsockopt(SO_LINGER)"));
  finding.recommendation.verify = fmt::format("{}nstat -az TcpExtTCPAbortOnData", in_netns(now, netns.id));
  return finding;
}

Outcome judge_linger(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  std::map<NetnsId, Hanging> hanging;
  for (const SocketRow& row : now.sockets) {
    if (!close_waits(row)) continue;
    const double age_s = static_cast<double>(in.window.age(row).value.count()) / 1000;
    if (age_s < in.policy.value(kHangsFor)) continue;
    Hanging& here = hanging[row.netns];
    here.rows.push_back(&row);
    here.for_s = std::max(here.for_s, age_s);
    here.linger_s = std::max(here.linger_s, *row.linger_ms / 1000.0);
    here.unsent = add_sat(here.unsent, row.send_q);
  }
  Outcome out = judge_counter(in, kCounter, "connections of one namespace that were ended with a reset by close()",
                              [&](const NetnsSample& netns, const Counted& counted) -> std::optional<Finding> {
                                if (counted.times < in.policy.value(kMinResets)) return std::nullopt;
                                std::optional<Resets> here = resets_of(in, netns, counted);
                                return here ? std::optional(resets(in, netns, *here)) : std::nullopt;
                              });
  for (const auto& [netns, here] : hanging) out.findings.push_back(close_hangs(in, netns, here));
  if (!hanging.empty()) out.fine_metric = out.fine_value = "";
  return out;
}

constexpr std::array kThresholds = {kHangsFor, kMinResets, kMinLost};
constexpr std::array<std::string_view, 2> kReferences = {"socket(7): SO_LINGER", "net/ipv4/tcp.c: __tcp_close"};

}  // namespace
}  // namespace so_linger_rule

namespace rules {

extern const Rule so_linger_misuse = {
    .id = so_linger_rule::kId,
    .title = "SO_LINGER lets close() wait, or lose data",
    .explanation =
        "SO_LINGER changes what close() does. With a time it waits until the peer has taken everything, and a thread "
        "that serves others stands still meanwhile. With 0 it resets the connection: what was not acknowledged is "
        "lost, and the peer gets an error. Neither is needed for an orderly end.",
    .thresholds = so_linger_rule::kThresholds,
    .references = so_linger_rule::kReferences,
    .judge = so_linger_rule::judge_linger,
};

}  // namespace rules
}  // namespace tcpadvisor
