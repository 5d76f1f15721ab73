// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace established_growth_rule {
namespace {

constexpr Threshold kGrowsFor = time_threshold("grows_for", 30);  // or all the time, if that is less
constexpr Threshold kIdleFor = time_threshold("idle_for", 10);    // or a third of it
constexpr Threshold kIdleShare = ratio_threshold("idle_share", 0.8);
constexpr Threshold kSameRemote = ratio_threshold("same_remote", 0.8);  // of the new sockets
constexpr Threshold kFillsFor = time_threshold("fills_for", 30);        // or kAges times the age, if that is less
constexpr double kAges = 1.5;
constexpr double kAsBefore = 0.5;  // of the rate now, at least, before we looked: then it has been going on
constexpr std::size_t kParts = 4;
constexpr std::size_t kFewestSamples = 2 * kParts;
constexpr double kShortestS = 5;  // a pool fills within moments

/// The ESTABLISHED sockets of one process that grow in every part of the time looked at, and never become fewer.
struct Growing {
  const OwnerTotals* owner = nullptr;
  Series counts = {};  ///< in the time looked at
  std::vector<const SocketRow*> rows = {};
  std::uint64_t idle = 0;  ///< of those that are old enough to tell
  std::uint64_t old_enough = 0;
  std::uint64_t used_again = 0;  ///< a good while after they were opened
  std::uint64_t kept_for_others = 0;
  double lasts_s = 0;       ///< since when they grow, as far as is known
  bool lasted = false;      ///< for longer than it takes to fill a pool
  bool complete = false;    ///< each socket has a row
  bool accepts = false;     ///< most came to a listener of this host
  std::string remote = {};  ///< most new ones lead there; empty: to several, or not known
  double by() const { return counts.last() - counts.first(); }
};

bool grows_in_each_part(const Series& counts) {
  double from_s = counts.points().front().t_s, part_s = counts.span_s() / kParts;
  double before = counts.first();
  for (std::size_t part = 1; part <= kParts; ++part) {
    double end = before;
    for (const Series::Point& point : counts.points()) {
      if (point.t_s <= from_s + part_s * static_cast<double>(part) + 1e-6) end = point.value;
    }
    if (end <= before) return false;
    before = end;
  }
  return true;
}

/// What is counted in the time looked at.
Series lately(const Window& window, const Series& all, double look_s) {
  Series out;
  for (const Series::Point& point : all.points()) {
    if (point.t_s + window.interval_s() / 2 >= window.span_s() - look_s) out.add(point.t_s, point.value);
  }
  return out;
}

Series established_of(const Window& window, const OwnerTotals& owner) {
  return window.owner_series(owner, [](const PastOwner& then) {
    return std::optional<double>(then.sockets[index_of(TcpState::established)]);
  });
}

/// Walks over very many sockets are made only now and then, and between them each look shows the walk before: then what
/// grows all the time grows in steps.
bool looks_repeat(const Window& window) {
  constexpr double kCostlyMs = 20;
  const SelfCost& self = window.latest().self;
  return self.snapshot_ms >= kCostlyMs || self.snapshot_age_ms > 1.5 * 1000 * window.interval_s();
}

/// So it may be one that grows all the time, seen too seldom to tell.
bool grows_in_steps(const Evidence& in, const OwnerTotals& owner, double look_s) {
  const Series counts = lately(in.window, established_of(in.window, owner), look_s);
  if (counts.size() < kFewestSamples || counts.falls() > 0) return false;
  if (counts.last() - counts.first() < in.policy.min_count) return false;
  std::size_t steps = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) steps += counts.points()[i].value > counts.points()[i - 1].value;
  return steps < kFewestSamples;
}

std::optional<Growing> growing(const Evidence& in, const OwnerTotals& owner, double look_s) {
  constexpr std::size_t kEstablished = index_of(TcpState::established);
  const Window& window = in.window;
  if (owner.sockets[kEstablished] < in.policy.min_count) return std::nullopt;
  Growing out{.owner = &owner};
  out.counts = lately(window, established_of(window, owner), look_s);
  bool seen_all_along = out.counts.size() >= kFewestSamples && out.counts.span_s() + window.interval_s() >= look_s;
  if (!seen_all_along || out.counts.falls() > 0 || out.by() < in.policy.min_count) return std::nullopt;
  if (!grows_in_each_part(out.counts)) return std::nullopt;
  return out;
}

/// No byte came or went for so long.
bool idle_for(const SocketRow& row, double idle_ms) {
  auto since = [idle_ms](const std::optional<std::uint32_t>& ms) {
    return static_cast<double>(ms.value_or(0)) >= idle_ms;
  };
  return row.send_q == 0 && since(row.last_data_sent_ms) && since(row.last_data_recv_ms);
}

/// Data came or went a good while after it was opened: that is how a standing connection is used.
bool used_again(const Window& window, const SocketRow& row, double quiet_ms) {
  const PastRow* seen = window.at(window.samples() - 1).find(row);
  if (seen == nullptr) return false;
  auto later = [&](const std::optional<std::uint32_t>& ms) {
    return ms && static_cast<double>(sub_sat(window.latest().mono_ms, std::uint64_t{*ms})) >=
                     static_cast<double>(seen->since_ms) + quiet_ms;
  };
  return later(row.last_data_sent_ms) || later(row.last_data_recv_ms);
}

/// How long ago something came or went on it, in seconds.
double rests_s(const SocketRow& row) {
  return std::min(row.last_data_sent_ms.value_or(0), row.last_data_recv_ms.value_or(0)) / 1000.0;
}

/// A pool that is filled, or the connections that a client opens when it starts, look like a leak, but are all there
/// soon. What rests for longer than we looked tells whether as many were opened before.
void see_how_long(const Evidence& in, Growing& growing) {
  const double age_s = static_cast<double>(in.policy.age.count()) / 1000;
  const double span_s = growing.counts.span_s(), fills_s = std::min(in.policy.value(kFillsFor), kAges * age_s);
  growing.lasts_s = span_s;
  growing.lasted = span_s >= fills_s;
  if (growing.lasted || span_s <= 0) return;
  std::uint64_t before = 0;
  for (const SocketRow* row : growing.rows) {
    const double rests = rests_s(*row);
    if (rests <= span_s || rests > fills_s) continue;
    ++before;
    growing.lasts_s = std::max(growing.lasts_s, rests);
  }
  const double as_many = kAsBefore * growing.by() / span_s * (fills_s - span_s);
  growing.lasted = before > 0 && static_cast<double>(before) >= as_many;
}

std::uint64_t most_common(const std::map<std::string, std::uint64_t>& counts, std::string& name) {
  auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  if (most == counts.end()) return 0;
  name = most->first;
  return most->second;
}

void look_at_rows(const Evidence& in, double look_s, Growing& growing) {
  const Window& window = in.window;
  const Connections& connections = window.connections();
  Rows held = connections.held({.pid = growing.owner->pid, .netns = 0}, TcpState::established);
  growing.rows.assign(held.begin(), held.end());
  // Sockets that it merely keeps open, and another process uses, are that one's story.
  for (const SocketRow* row : connections.in_state(TcpState::established)) {
    auto is_this = [&](const HoldingProcess& other) { return other.pid == growing.owner->pid; };
    if (std::ranges::any_of(row->others, is_this)) ++growing.kept_for_others;
  }
  // Descriptors are counted a moment after the sockets were: what came in between has no row yet.
  const double a_look = std::ceil(growing.by() / static_cast<double>(growing.counts.size() - 1));
  growing.complete =
      static_cast<double>(growing.rows.size()) + a_look >= growing.owner->sockets[index_of(TcpState::established)];
  const double idle_s = std::min(in.policy.value(kIdleFor), look_s / 3);
  // One that was opened a moment ago is not idle yet: those count that were there before.
  double then_s = window.span_s() - idle_s;
  for (const Series::Point& point : growing.counts.points()) {
    if (point.t_s <= then_s) growing.old_enough = to_u64(point.value);
  }
  std::map<std::string, std::uint64_t> remotes;
  std::uint64_t accepted = 0, fresh = 0;
  std::size_t begin = 0;
  while (begin + 1 < window.samples() && window.seconds_at(begin) < growing.counts.points().front().t_s) ++begin;
  for (const SocketRow* row : growing.rows) {
    const bool again = used_again(window, *row, idle_s * 1000);
    if (again) ++growing.used_again;
    if (!again && idle_for(*row, idle_s * 1000)) ++growing.idle;
    bool came = !connections.listeners(row->netns, row->local.port).empty();
    if (came) ++accepted;
    if (window.at(begin).find(*row) != nullptr) continue;
    ++fresh;
    ++remotes[came ? row->remote.ip_text() : row->remote.text()];
  }
  growing.accepts = 2 * accepted > growing.rows.size();
  see_how_long(in, growing);
  std::string remote;
  std::uint64_t there = most_common(remotes, remote);
  if (fresh > 0 && static_cast<double>(there) >= in.policy.value(kSameRemote) * static_cast<double>(fresh)) {
    growing.remote = remote;
  }
}

/// Without rows: most of its connections belong to ports on which it listens.
bool accepts_by_totals(const Evidence& in, const OwnerTotals& owner) {
  std::uint64_t accepted = 0;
  for (const SocketRow* listener : in.window.connections().in_state(TcpState::listen)) {
    if (!listener->owner || listener->owner->pid != owner.pid) continue;
    const PortTotals* port = in.window.connections().port(listener->netns, listener->local.port);
    if (port != nullptr) accepted = add_sat(accepted, std::uint64_t{port->sockets[index_of(TcpState::established)]});
  }
  return 2 * accepted > owner.sockets[index_of(TcpState::established)];
}

/// "None of its descriptors is left in 12 m."
std::string end_text(const Evidence& in, const Growing& growing) {
  double per_minute = growing.counts.per_minute();
  if (per_minute <= 0) return "";
  std::string out;
  const OwnerTotals& owner = *growing.owner;
  if (owner.fds && owner.fd_limit.value_or(0) > *owner.fds) {
    double left = static_cast<double>(*owner.fd_limit) - *owner.fds;
    out += fmt::format(" At this rate its descriptors end in {}", seconds_text(left / per_minute * 60));
  }
  auto first = sysctl_value(in.now(), owner.netns, "net.ipv4.ip_local_port_range", 0);
  auto last = sysctl_value(in.now(), owner.netns, "net.ipv4.ip_local_port_range", 1);
  if (!growing.accepts && first && last && *last > *first) {
    double left = std::max(0.0, static_cast<double>(*last - *first) - growing.counts.last());
    out += fmt::format("{} the local ports to one address and port in {}", out.empty() ? " At this rate" : ",",
                       seconds_text(left / per_minute * 60));
  }
  return out.empty() ? "" : out + ".";
}

Finding finding_for(const Evidence& in, const Growing& growing) {
  const Window& window = in.window;
  const OwnerTotals& owner = *growing.owner;
  Finding finding;
  finding.id = "established-growth";
  finding.finding_class = growing.accepts ? FindingClass::peer : FindingClass::application;
  Scope& scope = finding.scope;
  scope.kind = ScopeKind::process;
  scope.netns = growing.rows.empty() ? owner.netns : growing.rows.front()->netns;
  scope.netns_name = netns_name(in.now(), scope.netns);
  scope.pid = owner.pid;
  scope.comm = owner.comm;
  scope.cgroup = owner.cgroup;
  scope.local = common_local(growing.rows);
  scope.remote = growing.remote;
  scope.count = owner.sockets[index_of(TcpState::established)];
  const bool proved = growing.complete && !growing.accepts && growing.lasted;
  const bool young = growing.complete && !growing.lasted;
  finding.severity = proved ? Severity::warning : Severity::info;
  finding.confidence = proved ? Confidence::medium : Confidence::low;
  const std::string who = process_text(scope), rate = fmt::format("{:.0f} per minute", growing.counts.per_minute());
  const std::string where = growing.remote.empty() ? "" : (growing.accepts ? " from " : " to ") + growing.remote;
  finding.title = growing.accepts ? fmt::format("Connections{} stay open at {} and grow by {}: nobody closes them{}",
                                                where, who, rate, young ? " so far" : "")
                                  : fmt::format("{} opens connections{} and {} none: {} more {}", who, where,
                                                young ? "has closed" : "closes", with_commas(to_u64(growing.by())),
                                                "in " + seconds_text(growing.counts.span_s()));
  finding.confidence_why =
      growing.complete ? fmt::format("the number rises all the time and never falls, and {} carry nothing any more{}",
                                     with_commas(growing.idle),
                                     young ? fmt::format("; but as far as is known only for {}: a pool that is being "
                                                         "filled, or standing connections opened at the start, look "
                                                         "the same",
                                                         seconds_text(growing.lasts_s))
                                           : "; a pool that is still being filled looks the same")
                       : "the number rises all the time and never falls; whether they are idle was not seen";
  std::string source = source_of(in.now(), FactId::owners), snapshot = source_of(in.now(), FactId::snapshot);
  auto add = [&](const char* metric, const std::string& from, double value, const char* unit,
                 std::optional<double> threshold = std::nullopt) {
    Measurement one = measured(window, metric, from, value, unit, threshold);
    one.window_s = growing.counts.span_s();
    one.samples = growing.counts.size();
    finding.evidence.push_back(std::move(one));
  };
  add("established_sockets", source, static_cast<double>(scope.count), "sockets");
  add("established_growth", source, growing.by(), "sockets", in.policy.min_count);
  add("established_growth_rate", source, growing.counts.per_minute(), "per_min");
  if (growing.complete && growing.old_enough > 0) {
    double share = static_cast<double>(growing.idle) / static_cast<double>(growing.old_enough);
    add("idle", snapshot, std::min(1.0, share), "ratio", in.policy.value(kIdleShare));
  }
  finding.meaning =
      (growing.accepts
           ? "Clients open connections, use them once and neither go on nor close; this server has no time-out for "
             "such. Each costs a descriptor and kernel memory at both ends."
           : "Each of these connections was used once, at most, and is kept. Both kernels keep it open for ever: no "
             "timer ends an idle connection whose peer answers.") +
      end_text(in, growing);
  if (young) {
    finding.meaning =
        "It has only begun: a leak looks so, and so do a pool that is being filled, a load that starts, and clients "
        "that come back after a restart. If it goes on for longer than that takes, nobody closes them." +
        end_text(in, growing);
  }
  Recommendation& cure = finding.recommendation;
  cure.kind = growing.accepts ? RecommendationKind::peer : RecommendationKind::application;
  cure.text = growing.accepts
                  ? "Let the clients close or reuse their connections; in this server, end those that are idle for too "
                    "long (an idle time-out)."
                  : "Fix the application: close each connection when its answer has been read, on every path, or reuse "
                    "it (read an HTTP body to its end and close it; one client for all requests, with limits on what "
                    "is kept idle).";
  if (young) {
    cure.text = "Look again in a minute: if the number stands then, all is well. If it still grows: " + cure.text;
  }
  if (!growing.remote.empty()) {
    cure.steps.push_back(growing.accepts ? "they come from " + growing.remote
                                         : "look at the code that talks to " + growing.remote);
  }
  cure.steps.push_back(fmt::format("see them: {}ss -tnpo state established | grep 'pid={},'",
                                   in_netns(in.now(), scope.netns), owner.pid));
  cure.verify = "tcpadvisor report --only established-growth: the number stands or falls";
  finding.not_useful = {
      {"net.ipv4.tcp_keepalive_*", "finds peers that have died; these live, and answer"},
      {"net.ipv4.tcp_fin_timeout, tcp_tw_reuse", "concern connections that somebody has closed"},
      {"ulimit -n", "a higher limit only moves the day on which it is reached"},
  };
  return finding;
}

/// The far ends of most of a server's connections belong to clients on this host that are told of already.
bool told_by_clients(const Evidence& in, const Growing& server, const std::vector<Growing>& all) {
  std::uint64_t told = 0;
  for (const SocketRow* row : server.rows) {
    const SocketRow* far = in.window.connections().other_end(*row);
    if (far == nullptr || !far->owner) continue;
    told +=
        std::ranges::any_of(all, [&](const Growing& one) { return !one.accepts && one.owner->pid == far->owner->pid; });
  }
  return 2 * told >= server.rows.size() && told > 0;
}

/// Connections that no process has, as far as we see, and that grow as those of a leak do; empty if there are none.
std::string unseen_growth(const Evidence& in, double look_s) {
  constexpr std::size_t kEstablished = index_of(TcpState::established);
  const Window& window = in.window;
  const Series all = window.series([](const PastTick& tick) {
    return std::optional<double>(static_cast<double>(sub_sat(tick.states[kEstablished], tick.held[kEstablished])));
  });
  const Series unheld = lately(window, all, look_s);
  if (unheld.size() < kFewestSamples || unheld.falls() > 0) return "";
  if (unheld.last() - unheld.first() < in.policy.min_count || !grows_in_each_part(unheld)) return "";
  // Those that wait for accept() are the listener's affair.
  std::uint64_t queued = 0;
  for (const SocketRow* row : window.connections().in_state(TcpState::listen))
    queued = add_sat(queued, std::uint64_t{row->accept_queue.value_or(0)});
  if (unheld.last() < static_cast<double>(add_sat(queued, std::uint64_t{in.policy.min_count}))) return "";
  return fmt::format("{} that no process we can see holds, and they grow by {:.0f} per minute",
                     counted(to_u64(unheld.last()), "ESTABLISHED socket"), unheld.per_minute());
}

Outcome judge(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  if (!owners_known(now)) return Outcome::unknown("which processes hold the sockets is not known");
  double windows_s = static_cast<double>(in.policy.window.count()) * in.policy.windows / 1000;
  double look_s = std::min(window.span_s(), std::max(windows_s, in.policy.value(kGrowsFor)));
  std::vector<Growing> all;
  const bool repeat = looks_repeat(window);
  std::uint64_t busy = 0, most = 0, seldom = 0;
  for (const OwnerTotals& owner : now.owners) {
    most = std::max<std::uint64_t>(most, owner.sockets[index_of(TcpState::established)]);
    std::optional<Growing> one = growing(in, owner, look_s);
    if (!one) {
      seldom += repeat && grows_in_steps(in, owner, look_s);
      continue;
    }
    look_at_rows(in, look_s, *one);
    if (one->kept_for_others > one->rows.size()) continue;
    if (!one->complete) one->accepts = accepts_by_totals(in, owner);
    bool enough_idle = static_cast<double>(one->idle) >=
                       in.policy.value(kIdleShare) * static_cast<double>(std::max<std::uint64_t>(one->old_enough, 1));
    if (one->complete && (!enough_idle || one->idle < in.policy.min_count / 2)) {
      ++busy;  // a load that grows
      continue;
    }
    all.push_back(std::move(*one));
  }
  bool too_short = window.samples() < kFewestSamples || look_s < std::min(kShortestS, in.policy.value(kGrowsFor));
  if (too_short) {
    if (most < in.policy.min_count) return Outcome::fine("ESTABLISHED sockets of one process", with_commas(most));
    if (window.samples() < kFewestSamples) return Outcome::unknown(too_few_samples(window, kFewestSamples));
    return Outcome::unknown(fmt::format("observed for {}: observe for {} or longer", seconds_text(window.span_s()),
                                        seconds_text(kShortestS)));
  }
  std::vector<Finding> findings;
  for (const Growing& one : all) {
    if (one.accepts && told_by_clients(in, one, all)) continue;
    findings.push_back(finding_for(in, one));
  }
  std::string unseen = unseen_growth(in, look_s);
  if (unseen.empty() && seldom > 0) {
    unseen = fmt::format(
        "the connections of {} process{} grew, but with so many sockets each walk is too costly to be made at every "
        "look; "
        "observe for longer",
        with_commas(seldom), seldom == 1 ? "" : "es");
  }
  return Outcome::of(std::move(findings), std::move(unseen),
                     "processes whose idle ESTABLISHED sockets grow all the time",
                     fmt::format("0 of {}{}", with_commas(now.owners.size()),
                                 busy > 0 ? fmt::format(" ({} grow and are in use)", busy) : ""));
}

constexpr std::array kThresholds = {kMinCount, kGrowsFor, kIdleFor, kIdleShare, kSameRemote, kFillsFor};
constexpr std::array<std::string_view, 1> kReferences = {"RFC 9293 section 3.6 (closing a connection)"};

}  // namespace
}  // namespace established_growth_rule

namespace rules {

extern const Rule established_growth = {
    .id = "established-growth",
    .title = "a process opens connections and closes none",
    .explanation =
        "The connections of a process grow all the time, and most carry nothing any more: whoever opened them forgets "
        "them. With no time-out at either end both stay ESTABLISHED, which looks healthy, until descriptors, ports or "
        "memory end.",
    .thresholds = established_growth_rule::kThresholds,
    .references = established_growth_rule::kReferences,
    .judge = established_growth_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
