// SPDX-License-Identifier: Apache-2.0
// Programs that forget to close their connections, and whose garbage collector does it for them: many at a time, each
// long after its last byte.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/knobs/port_space.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace closes_in_bursts_rule {
namespace {

constexpr Threshold kMinBursts = count_threshold("min_bursts", 4, "bursts");
constexpr Threshold kGathered = ratio_threshold("gathered", 0.8);                   // of what the process closes
constexpr Threshold kQuietOverUse = count_threshold("quiet_over_use", 3, "times");  // as long as it was in use
constexpr Threshold kQuietFor = time_threshold("quiet_for", 0.02);
constexpr Threshold kSpread = ratio_threshold("spread", 1.0 / 3);  // the least of a burst, of its most: quiet, age
constexpr Threshold kSoon = time_threshold("soon", 600);           // a warning, if something would end within
constexpr const char* kId = "closes-in-bursts";
constexpr std::uint64_t kOverMs = 60'000;   // a last close longer ago: it does not happen now
constexpr double kOneDestination = 0.1;     // of the closes may be to another one than the close before
constexpr std::uint64_t kShortestMs = 500;  // rates over less are no rates

std::string ms_text(double ms) {
  if (ms < 1) return "less than 1 ms";
  return ms < 1e3 ? fmt::format("{:.0f} ms", ms) : seconds_text(ms / 1e3);
}

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

/// The youngest of a burst has hardly been opened, the oldest as long ago as the burst before: opened one by one. What
/// a timer closes has been quiet for its time at least; what was opened together has the same age.
bool is_swept(const Closes& closes, const Policy& policy) {
  const double spread = policy.value(kSpread);
  return static_cast<double>(closes.clumps) >= policy.value(kMinBursts) &&
         static_cast<double>(closes.gathered) >= policy.value(kGathered) * static_cast<double>(closes.count) &&
         closes.quiet_ms >= policy.value(kQuietFor) * 1e3 &&
         closes.quiet_ms >= policy.value(kQuietOverUse) * closes.used_ms &&
         closes.youngest_ms <= spread * closes.oldest_ms && closes.shortest_quiet_ms <= spread * closes.quietest_ms;
}

struct Swept {
  const Closes* closes = nullptr;
  const OwnerTotals* owner = nullptr;
  Scope scope;
  double per_s = 0, bursts_per_s = 0, at_a_time = 0;
  std::optional<double> fds_end_s, ports_end_s;
  std::uint64_t ports = 0;
};

Swept swept(const Evidence& in, const Closes& closes) {
  const Sample& now = in.now();
  Swept out{.closes = &closes};
  const double seconds = static_cast<double>(closes.since_ms) / 1e3;
  out.per_s = static_cast<double>(closes.count) / seconds;
  out.bursts_per_s = static_cast<double>(closes.clumps) / seconds;
  out.at_a_time = ratio(static_cast<double>(closes.gathered), static_cast<double>(closes.clumps));
  out.owner = closes.pid != 0 ? in.window.connections().owner(closes.pid) : nullptr;
  Scope& scope = out.scope;
  scope.kind = ScopeKind::process;
  if (closes.pid != 0) scope.pid = closes.pid;
  scope.comm = closes.comm;
  scope.netns = closes.netns;
  scope.netns_name = netns_name(now, closes.netns);
  scope.count = closes.gathered;
  if (out.owner != nullptr) {
    scope.comm = out.owner->comm;  // the hook tells the name of the thread that closed: "Finalizer"
    scope.cgroup = out.owner->cgroup;
    const auto limit = out.owner->fd_limit;
    if (out.owner->fds && limit && *limit > *out.owner->fds)
      out.fds_end_s = static_cast<double>(*limit - *out.owner->fds) / out.per_s;
  }
  const bool one =
      ratio(static_cast<double>(closes.elsewhere), static_cast<double>(closes.gathered)) <= kOneDestination;
  if (!one || closes.destination.port == 0) return out;
  scope.remote = closes.destination.text();
  if (auto space = port_space(now, closes.netns); space && space->available() > 0) {
    out.ports = space->available();
    out.ports_end_s = static_cast<double>(out.ports) / out.per_s;
  }
  return out;
}

/// "its descriptors end in 17 s, and the 28,232 ports towards 10.0.0.7:80 in 7m 50s"
std::string what_ends(const Swept& one) {
  std::vector<std::string> ends;
  if (one.fds_end_s) {
    ends.push_back(fmt::format("the {} descriptors that it may have end in {}",
                               with_commas(one.owner->fd_limit.value_or(0)), seconds_text(*one.fds_end_s)));
  }
  if (one.ports_end_s) {
    ends.push_back(fmt::format("the {} local ports towards {} in {}", with_commas(one.ports), one.scope.remote,
                               seconds_text(*one.ports_end_s)));
  }
  if (ends.empty()) return "its connections would only grow";
  return ends.size() == 1 ? ends[0] : ends[0] + ", and " + ends[1];
}

void add_evidence(const Evidence& in, const Swept& one, Finding& finding) {
  const std::string source = source_of(in.now(), FactId::state_changes);
  const Closes& closes = *one.closes;
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("bursts", static_cast<double>(closes.clumps), "bursts", in.policy.value(kMinBursts));
  say("closed_in_bursts", ratio(static_cast<double>(closes.gathered), static_cast<double>(closes.count)), "ratio",
      in.policy.value(kGathered));
  say("largest_burst", static_cast<double>(closes.largest), "sockets");
  say("closed_per_second", one.per_s, "per_s");
  say("in_use_for", closes.used_ms / 1e3, "s");
  say("quiet_before_close", closes.quiet_ms / 1e3, "s",
      std::max(in.policy.value(kQuietFor), in.policy.value(kQuietOverUse) * closes.used_ms / 1e3));
  say("youngest_of_oldest", ratio(closes.youngest_ms, closes.oldest_ms), "ratio", in.policy.value(kSpread));
  say("shortest_of_longest_quiet", ratio(closes.shortest_quiet_ms, closes.quietest_ms), "ratio",
      in.policy.value(kSpread));
  if (one.owner == nullptr) return;
  say("established_of_process", one.owner->sockets[index_of(TcpState::established)], "sockets");
  if (one.fds_end_s) say("fds_would_end_in", *one.fds_end_s, "s", in.policy.value(kSoon));
  if (one.ports_end_s) say("ports_would_end_in", *one.ports_end_s, "s", in.policy.value(kSoon));
}

void say_cure(const Evidence& in, const Swept& one, const std::string& who, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "In {}: close each connection when its request is over, or keep it and use it again; also where a request fails "
      "or "
      "times out.",
      who);
  cure.steps = {
      "Go: defer resp.Body.Close() and read it to its end; one http.Client and Transport for all requests; Close() of "
      "what "
      "net.Dial() or an RPC client gave",
      "Java: try-with-resources; Python: with, or close(); .NET: using, and one HttpClient for all",
  };
  const std::string to = one.scope.remote.empty() ? "" : " dst " + one.scope.remote;
  cure.steps.push_back(fmt::format("see the saw-tooth: watch -n 0.1 '{}ss -Htn state established{} | wc -l'",
                                   in_netns(in.now(), one.scope.netns), to));
  if (one.fds_end_s || one.ports_end_s) {
    cure.formula = fmt::format("without the collector, at {:.0f} a second: {}", one.per_s, what_ends(one));
  }
  cure.verify = "tcpadvisor report --only closes-in-bursts: fine; connections end when their requests do";
  finding.not_useful = {
      {"RLIMIT_NOFILE, net.ipv4.ip_local_port_range", "the next pause of the collector may be longer"},
      {"net.ipv4.tcp_fin_timeout, net.ipv4.tcp_tw_reuse", "act only once somebody has closed"},
      {"a collector that runs more often", "costs time of the processor for what close() does at once"},
  };
}

Finding finding_for(const Evidence& in, const Closes& closes) {
  const Swept one = swept(in, closes);
  Finding finding;
  finding.id = kId;
  finding.finding_class = FindingClass::application;
  finding.scope = one.scope;
  const double soon = in.policy.value(kSoon);
  const bool ends_soon = one.fds_end_s.value_or(soon + 1) <= soon || one.ports_end_s.value_or(soon + 1) <= soon;
  finding.severity = ends_soon ? Severity::warning : Severity::info;
  finding.confidence = Confidence::medium;
  finding.confidence_why =
      "a program that chooses to close what has rested, at intervals far longer than it lets rest, looks the same";
  const std::string who = one.scope.pid ? process_text(one.scope) : closes.comm + " (a process that is not seen)";
  finding.title = fmt::format(
      "{} does not close its connections: about {:.0f} at a time are closed together, {} after "
      "their last byte",
      who, one.at_a_time, ms_text(closes.quiet_ms));
  add_evidence(in, one, finding);
  finding.meaning = fmt::format(
      "{:.1f} times a second some {:.0f} connections of all ages are closed within milliseconds, long after the {} in "
      "which they were used: as a garbage collector does with what a program has forgotten. No leak is seen as long as "
      "it runs often. When it does not, at {:.0f} connections a second {}.",
      one.bursts_per_s, one.at_a_time, ms_text(closes.used_ms), one.per_s, what_ends(one));
  say_cure(in, one, who, finding);
  return finding;
}

Outcome judge_bursts(const Evidence& in) {
  const Sample& now = in.now();
  if (now.source(FactId::state_changes) != SourceKind::hook)
    return Outcome::unknown("who closes what is seen by a hook on changes of state only, and there is none");
  std::vector<Finding> findings;
  std::uint64_t processes = 0;
  for (const Closes& closes : now.closes) {
    if (closes.last_ms_ago > kOverMs) continue;
    ++processes;
    if (closes.since_ms >= kShortestMs && is_swept(closes, in.policy)) findings.push_back(finding_for(in, closes));
  }
  std::string not_assessed;
  if (auto lost = now.self.lost.find("closes"); lost != now.self.lost.end() && lost->second > 0)
    not_assessed = fmt::format("{} were not counted, for want of room", counted(lost->second, "close"));
  return Outcome::of(std::move(findings), std::move(not_assessed), "processes that close connections in bursts",
                     fmt::format("0 of {} that close some", with_commas(processes)));
}

constexpr std::array kThresholds = {kMinBursts, kGathered, kQuietOverUse, kQuietFor, kSpread, kSoon};
constexpr std::array<std::string_view, 2> kReferences = {
    "Go source: net/fd_posix.go, runtime.SetFinalizer(fd, (*netFD).Close)",
    "Go documentation: net/http, The client must close the response body when finished with it"};

}  // namespace
}  // namespace closes_in_bursts_rule

namespace rules {

extern const Rule closes_in_bursts = {
    .id = closes_in_bursts_rule::kId,
    .title = "connections are closed by a garbage collector, not by the program",
    .explanation =
        "A program that forgets to close a connection leaks its descriptor and its local port. In languages with a "
        "garbage collector it may go unnoticed: the object that nobody knows any more is found, and its finalizer "
        "closes "
        "the socket. Connections are then opened one by one and closed many at a time, each long after its last byte, "
        "and "
        "their number is a saw-tooth. When the collector pauses, because memory is plenty, descriptors or ports end. "
        "What "
        "a pool closes after a fixed idle time, what was opened together, and what ends with its process is not this.",
    .thresholds = closes_in_bursts_rule::kThresholds,
    .references = closes_in_bursts_rule::kReferences,
    .judge = closes_in_bursts_rule::judge_bursts,
};

}  // namespace rules
}  // namespace tcpadvisor
