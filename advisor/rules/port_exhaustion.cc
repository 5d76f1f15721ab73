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
#include "advisor/rules/port_share.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace port_exhaustion_rule {
namespace {

constexpr double kUsedUp = 0.99;  // ports that are bound and listen nowhere are not counted
constexpr double kMostly = 0.5;
constexpr std::uint64_t kSomeFail = 5;  // attempts: then it is so, whatever may be taken again
constexpr std::int64_t kWideLow = 15'000, kWidestLow = 10'000, kWideHigh = 60'999, kWidestHigh = 65'535;
constexpr std::string_view kRange = "net.ipv4.ip_local_port_range", kReuse = "net.ipv4.tcp_tw_reuse";

/// Attempts that found no local port, towards this destination or to the whole of its address.
const FailedConnects* turned_away(const Sample& now, const PortUse& use, std::uint64_t& times) {
  const FailedConnects* most = nullptr;
  for (const FailedConnects& failed : now.failed_connects) {
    if (failed.end != ConnectEnd::no_port || failed.netns != use.netns || failed.destination != use.destination)
      continue;
    times = add_sat(times, failed.count);
    if (most == nullptr || failed.count > most->count) most = &failed;
  }
  return most;
}

/// Who connects there: who was turned away, else who holds most of the connections that have a row.
Scope scope_of(const Evidence& in, const PortUse& use, const FailedConnects* failed) {
  Scope scope;
  scope.kind = ScopeKind::connection_group;
  scope.netns = use.netns;
  scope.netns_name = netns_name(in.now(), use.netns);
  scope.local = use.source.ip_text();
  if (!chosen_by_bind(use)) scope.remote = use.destination.text();
  scope.count = use.used;
  if (failed != nullptr && failed->pid != 0) {
    scope.pid = failed->pid;
    scope.comm = failed->comm;
    return scope;
  }
  std::map<std::pair<Pid, std::string>, std::uint64_t> holders;
  for (const SocketRow* row : in.window.connections().by_ends()) {
    bool towards = chosen_by_bind(use) ? in.window.connections().listeners(row->netns, row->local.port).empty()
                                       : row->remote == use.destination;
    bool there = row->netns == use.netns && towards && row->local.ip == use.source.ip;
    if (there && row->owner) ++holders[{row->owner->pid, row->owner->comm}];
  }
  auto most = std::ranges::max_element(holders, {}, [](const auto& entry) { return entry.second; });
  if (most == holders.end()) return scope;
  scope.pid = most->first.first;
  scope.comm = most->first.second;
  return scope;
}

/// Listening ports that a wider range would take in: connect() may take them while their program is restarted.
std::string to_reserve(const Sample& now, NetnsId netns, std::int64_t low, std::int64_t high, const PortSpace& space) {
  constexpr std::size_t kNamed = 8;
  std::vector<std::uint16_t> ports;
  for (const PortTotals& totals : now.ports) {
    bool added = totals.port >= low && totals.port <= high && (totals.port < space.low || totals.port > space.high);
    if (totals.netns == netns && added) ports.push_back(totals.port);
  }
  std::ranges::sort(ports);
  std::string out;
  for (std::size_t i = 0; i < std::min(ports.size(), kNamed); ++i)
    out += fmt::format("{}{}", out.empty() ? "" : ",", ports[i]);
  if (ports.size() > kNamed) out += ",…";
  return out;
}

/// A wider range as the one setting to change; false if it is as wide as is sensible.
bool recommend_range(const Sample& now, const PortShare& share, Recommendation& cure) {
  auto low = to_i64(static_cast<double>(share.space.low)), high = to_i64(static_cast<double>(share.space.high));
  std::int64_t new_low = std::min(low, low > kWideLow ? kWideLow : kWidestLow), new_high = std::max(high, kWideHigh);
  if (new_low == low && new_high == high) return false;
  NetnsId netns = share.use->netns;
  Change change = Change::in(now, netns, kRange);
  change.current = {low, high};
  change.lower = {std::min(new_low, kWidestLow), new_high};
  change.target = {new_low, new_high};
  change.upper = {low, kWidestHigh};
  cure.kind = RecommendationKind::sysctl;
  cure.applicability = Applicability::needs_review;
  cure.formula = fmt::format("{} to {}: {} ports in the place of {}, within {} to {}", new_low, new_high,
                             with_commas(to_u64(static_cast<double>(new_high - new_low + 1))),
                             with_commas(to_u64(static_cast<double>(high - low + 1))), kWidestLow, kWidestHigh);
  cure.expected_effect =
      Recommendation::Effect{.metric = "port_share",
                             .from = share.share,
                             .to = static_cast<double>(share.use->used) / static_cast<double>(new_high - new_low + 1)};
  cure.change = std::move(change);
  if (std::string ports = to_reserve(now, netns, new_low, new_high, share.space); !ports.empty()) {
    cure.steps.push_back(fmt::format(
        "reserve first the ports that listen there: net.ipv4.ip_local_reserved_ports = {} beside what it holds",
        ports));
  }
  return true;
}

/// What tcp_tw_reuse can do here; empty if that is nothing.
std::string reuse_step(const Sample& now, const PortUse& use) {
  if (takes_time_wait_again(now, use)) return "";
  auto reuse = sysctl_value(now, use.netns, std::string(kReuse));
  auto timestamps = sysctl_value(now, use.netns, "net.ipv4.tcp_timestamps");
  std::string is = !reuse ? "" : *reuse == 2 ? " (now 2: for loopback only)" : fmt::format(" (now {})", *reuse);
  std::string needs = timestamps == 0 ? "it needs net.ipv4.tcp_timestamps = 1, which is 0 here"
                                      : "it needs tcp_timestamps on both sides";
  return fmt::format("{}sysctl -w {}=1{}: connect() takes a port again after one second of TIME_WAIT; {}",
                     in_netns(now, use.netns), kReuse, is, needs);
}

void recommend(const Evidence& in, const PortShare& share, bool mostly_timewait, Finding& finding) {
  const Sample& now = in.now();
  const PortUse& use = *share.use;
  Recommendation& cure = finding.recommendation;
  std::string reuse = mostly_timewait ? reuse_step(now, use) : "";
  if (mostly_timewait) {
    cure.text = fmt::format(
        "Reuse connections to {} (a pool, HTTP keep-alive): each one that this side closes keeps its port for 60 s.",
        use.destination.text());
    if (!reuse.empty()) cure.steps.push_back(reuse);
  } else {
    cure.text = fmt::format(
        "Fix the application: {} holds {} open connections to {}; share them in a bounded pool, or close those that "
        "are forgotten.",
        process_text(finding.scope), with_commas(sub_sat(use.used, use.timewait)), use.destination.text());
    cure.steps.push_back(fmt::format("{}ss -tnp state established dst {}: who holds them, and since when",
                                     in_netns(now, use.netns), use.destination.text()));
  }
  cure.kind = RecommendationKind::application;
  bool wider = recommend_range(now, share, cure);
  if (wider && !mostly_timewait) cure.text += " A wider range of ports only gains time.";
  if (mostly_timewait && !reuse.empty()) cure.text += fmt::format(" {} = 1 frees such ports after a second.", kReuse);
  if (wider && mostly_timewait) cure.text += " A wider range of ports helps at once.";
  if (!wider && !reuse.empty()) {
    Change change = Change::in(now, use.netns, kReuse);
    change.current = {sysctl_value(now, use.netns, std::string(kReuse)).value_or(2)};
    change.lower = change.target = {1};
    change.upper = {std::max<std::int64_t>(1, change.current.front())};
    cure.change = std::move(change);
    cure.kind = RecommendationKind::sysctl;
    cure.applicability = Applicability::needs_review;
    cure.formula = "the range of ports is wide already; 1 lets connect() take a port after one second of TIME_WAIT";
  }
  cure.steps.emplace_back(
      "a program that calls bind() before connect(): SO_REUSEADDR and IP_BIND_ADDRESS_NO_PORT, so that the port is "
      "chosen per "
      "destination");
  cure.steps.emplace_back(
      "more addresses or ports on the other side, or more source addresses here, each have their own ports");
  cure.verify =
      fmt::format("{}ss -tan dst {} | wc -l stays below {}, and connect() no longer fails with EADDRNOTAVAIL",
                  in_netns(now, use.netns), use.destination.text(),
                  with_commas(to_u64(in.policy.value(kPortShare) * static_cast<double>(share.space.available()))));
}

/// bind() has chosen a port for each connection, and finds no more.
Finding finding_for_bind(const Evidence& in, const PortShare& share) {
  const Window& window = in.window;
  const PortUse& use = *share.use;
  const bool used_up = share.share >= kUsedUp;
  const double available = static_cast<double>(share.space.available());
  const std::string address = use.source.ip_text();
  Finding finding;
  finding.id = "port-exhaustion";
  finding.topic = "bind";
  finding.severity = used_up ? Severity::critical : Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = scope_of(in, use, nullptr);
  finding.title =
      fmt::format("{} local ports of {} are {} by bind() before connect(): {} of {}, {} of them in TIME_WAIT",
                  used_up ? "The" : "Most", address, used_up ? "used up" : "taken", with_commas(use.used),
                  with_commas(share.space.available()), with_commas(use.timewait));
  finding.confidence_why = "every socket of the namespace was counted, and bind() chose the ports of these";
  std::string source = source_of(in.now(), FactId::snapshot);
  finding.evidence.push_back(measured(window, "ports_used", source, static_cast<double>(use.used), "ports",
                                      in.policy.value(kPortShare) * available));
  finding.evidence.push_back(measured(window, "ports_available",
                                      fmt::format("{} {} {}", kRange, share.space.low, share.space.high), available,
                                      "ports"));
  finding.evidence.push_back(
      measured(window, "ports_in_time_wait", source, static_cast<double>(use.timewait), "ports"));
  finding.meaning = fmt::format(
      "bind() to {} with port 0 takes a port for that address alone, because it cannot know the destination yet: all "
      "destinations together have {} of them, and TIME_WAIT keeps one for 60 s. {} bind() {} with EADDRINUSE, before "
      "connect() is called.",
      address, with_commas(share.space.available()), used_up ? "There is none left:" : "When there is none left,",
      used_up ? "fails" : "will fail");
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text =
      "Set IP_BIND_ADDRESS_NO_PORT before bind(): connect() then chooses the port, and every destination has the whole "
      "range to itself.";
  cure.steps = {
      "in the program: setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1), also for IPv6; then bind() to the "
      "address "
      "with port 0, then connect()",
      "where the source address does not matter: no bind() at all",
      "reuse connections; more source addresses, or a wider ip_local_port_range, only gain time",
  };
  cure.verify = fmt::format("{}ss -tan src {} | wc -l may exceed {}, and bind() no longer fails with EADDRINUSE",
                            in_netns(in.now(), use.netns), address, with_commas(share.space.available()));
  finding.not_useful = {
      {std::string(kReuse), "lets connect() take a port in TIME_WAIT again; bind() does not ask it"},
      {"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"},
      {"SO_REUSEADDR", "shares a port that the program names; for port 0 bind() looks for one that nobody has"},
      {"SO_LINGER 0", "avoids TIME_WAIT by a reset: the peer may lose the last data"},
  };
  return finding;
}

Finding finding_for(const Evidence& in, const PortShare& share) {
  const Window& window = in.window;
  const PortUse& use = *share.use;
  std::uint64_t failures = 0;
  const FailedConnects* failed = turned_away(in.now(), use, failures);
  bool used_up = share.share >= kUsedUp || failed != nullptr;
  bool mostly_timewait = static_cast<double>(use.timewait) >= kMostly * static_cast<double>(use.used);
  Finding finding;
  finding.id = "port-exhaustion";
  finding.severity = used_up ? Severity::critical : Severity::warning;
  finding.finding_class = mostly_timewait ? FindingClass::capacity : FindingClass::application;
  finding.scope = scope_of(in, use, failed);
  finding.title = fmt::format("{} local ports towards {} are {}: {} of {}, {} of them in TIME_WAIT",
                              used_up ? "The" : "Most", use.destination.text(), used_up ? "used up" : "in use",
                              with_commas(use.used), with_commas(share.space.available()), with_commas(use.timewait));
  finding.confidence_why = failed != nullptr ? "the ports were counted, and connect() was seen to find none"
                                             : "every socket of the namespace was counted, TIME_WAIT included";
  std::string source = source_of(in.now(), FactId::snapshot);
  double available = static_cast<double>(share.space.available());
  finding.evidence.push_back(measured(window, "ports_used", source, static_cast<double>(use.used), "ports",
                                      in.policy.value(kPortShare) * available));
  finding.evidence.push_back(
      measured(window, "ports_available",
               fmt::format("{} {} {}, less {} reserved and {} listening", kRange, share.space.low, share.space.high,
                           with_commas(share.space.reserved), with_commas(share.space.listening)),
               available, "ports"));
  finding.evidence.push_back(
      measured(window, "ports_in_time_wait", source, static_cast<double>(use.timewait), "ports"));
  if (in.now().source(FactId::connects) == SourceKind::hook) {
    finding.evidence.push_back(measured(window, "connects_without_port", source_of(in.now(), FactId::connects),
                                        static_cast<double>(failures), "attempts"));
  }
  finding.meaning = fmt::format(
      "A connection from {} to {} needs a local port that no other one between the two has, and TIME_WAIT keeps one "
      "for "
      "60 s. {} connect() {} with EADDRNOTAVAIL.",
      use.source.ip_text(), use.destination.text(), used_up ? "There is none left:" : "When there is none left,",
      used_up ? "fails" : "will fail");
  recommend(in, share, mostly_timewait, finding);
  if (!mostly_timewait) {
    finding.not_useful.push_back({std::string(kReuse), "these connections are open, not in TIME_WAIT"});
  }
  finding.not_useful.push_back({"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"});
  finding.not_useful.push_back({"net.ipv4.tcp_max_tw_buckets (lower)",
                                "ends TIME_WAIT early everywhere; old segments may reach new connections"});
  finding.not_useful.push_back({"SO_LINGER 0", "avoids TIME_WAIT by a reset: the peer may lose the last data"});
  return finding;
}

/// A finding about bind() tells of this destination, too: its ports are among those.
bool told_of_bind(const std::vector<PortShare>& shares, const PortShare& one, double share) {
  return std::ranges::any_of(shares, [&](const PortShare& other) {
    return chosen_by_bind(*other.use) && !chosen_by_bind(*one.use) && other.share >= share &&
           other.use->netns == one.use->netns && other.use->source == one.use->source &&
           2 * other.use->used >= one.use->used;
  });
}

/// Connections from one address to several destinations are as many as there are ports, and no source tells whether
/// bind() chose theirs: only the walk in the kernel does.
std::string unknown_choice(const Sample& now, const std::vector<PortShare>& shares, double share) {
  if (now.source(FactId::snapshot) == SourceKind::iter_tcp) return "";
  std::map<std::pair<NetnsId, std::string>, double> in_use;
  for (const PortShare& one : shares) {
    double& all = in_use[{one.use->netns, one.use->source.ip_text()}];
    all += one.in_use;
    if (all < share || one.in_use == all) continue;
    return fmt::format(
        "the connections from {} are as many as its local ports, and {} does not show whether bind() "
        "chose them",
        one.use->source.ip_text(), source_of(now, FactId::snapshot));
  }
  return "";
}

Outcome judge_port_exhaustion(const Evidence& in) {
  const Sample& now = in.now();
  std::string not_assessed = snapshot_problem(now), unread;
  for (const NetnsSample& netns : now.netns) {
    if (!netns.error.empty() || port_space(now, netns.id)) continue;
    keep_one(unread, fmt::format("{} of namespace {} was not read", kRange, netns.name));
  }
  if (not_assessed.empty()) not_assessed = std::move(unread);
  auto lost = now.self.lost.find("destinations_uncounted");
  if (not_assessed.empty() && lost != now.self.lost.end() && lost->second > 0) {
    not_assessed =
        fmt::format("the ports of {} are not counted: too many destinations", counted(lost->second, "connection"));
  }
  std::vector<Finding> findings;
  std::vector<PortShare> shares = port_shares(now);
  for (const PortShare& share : shares) {
    if (chosen_by_bind(*share.use)) {
      if (share.share >= in.policy.value(kPortShare)) findings.push_back(finding_for_bind(in, share));
      continue;
    }
    if (told_of_bind(shares, share, in.policy.value(kPortShare))) continue;
    std::uint64_t failures = 0;
    turned_away(now, *share.use, failures);
    bool fails = failures >= kSomeFail && share.in_use >= in.policy.value(kPortShare);
    if (fails || share.share >= in.policy.value(kPortShare)) findings.push_back(finding_for(in, share));
  }
  if (not_assessed.empty()) not_assessed = unknown_choice(now, shares, in.policy.value(kPortShare));
  std::string fullest = shares.empty() ? "none in use"
                                       : fmt::format("{} of {} towards {}", with_commas(shares.front().use->used),
                                                     with_commas(shares.front().space.available()),
                                                     destination_text(*shares.front().use));
  return Outcome::of(std::move(findings), std::move(not_assessed), "local ports in use towards one destination",
                     std::move(fullest));
}

constexpr std::array kThresholds = {kPortShare};
constexpr std::array<std::string_view, 3> kReferences = {
    "net/ipv4/inet_hashtables.c: __inet_hash_connect", "net/ipv4/tcp_ipv4.c: tcp_twsk_unique",
    "Documentation/networking/ip-sysctl.rst: ip_local_port_range, tcp_tw_reuse"};

constexpr std::string_view kCloseFirst =
    "Fix {who} first ({rule}): most of these ports belong to connections that it never closes.";
constexpr std::array kExplainedBy = {
    ExplainedBy{"close-wait-leak", Link::most_of_them, Then::keep, "", kCloseFirst},
    ExplainedBy{"closed-socket-fd-leak", Link::most_of_them, Then::keep, "", kCloseFirst},
    ExplainedBy{"fin-wait2-app-held", Link::most_of_them, Then::keep, "", kCloseFirst},
    ExplainedBy{"established-dead-peer-leak", Link::most_of_them, Then::keep, "", kCloseFirst},
};

}  // namespace
}  // namespace port_exhaustion_rule

namespace rules {

extern const Rule port_exhaustion = {
    .id = "port-exhaustion",
    .title = "the local ports towards a destination run out",
    .explanation =
        "Each connection from one address to one address and port needs a local port of its own, from "
        "ip_local_port_range. Connections in TIME_WAIT keep theirs for 60 s. When all are taken, connect() fails with "
        "EADDRNOTAVAIL, whatever number of TIME_WAIT entries the whole host has. A program that calls bind() first, "
        "without "
        "IP_BIND_ADDRESS_NO_PORT, takes each port for all destinations: then bind() fails with EADDRINUSE much "
        "earlier.",
    .thresholds = port_exhaustion_rule::kThresholds,
    .references = port_exhaustion_rule::kReferences,
    .explained_by = port_exhaustion_rule::kExplainedBy,
    .judge = port_exhaustion_rule::judge_port_exhaustion,
};

}  // namespace rules
}  // namespace tcpadvisor
