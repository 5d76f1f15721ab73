// SPDX-License-Identifier: Apache-2.0
// Clients that open a connection for each request and close it themselves: TIME_WAIT towards one destination shows it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/knobs/port_space.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/port_share.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace connection_per_request_rule {
namespace {

constexpr Threshold kMinTimeWait = count_threshold("min_time_wait", 600).clears_at(0.8);  // ten a second for a minute
constexpr Threshold kShortShare =
    ratio_threshold("short_share", 0.9).clears_at(0.9);  // of the local ports in use, in TIME_WAIT
constexpr const char* kId = "connection-per-request";
constexpr double kTimeWaitS = 60;  // TCP_TIMEWAIT_LEN
constexpr double kGoesOn = 0.5;    // of that rate is seen now

/// Connections towards one destination, as far as they still exist.
struct Towards {
  const PortUse* use = nullptr;
  std::vector<const SocketRow*> rows;
  const NetworkTotals* holder = nullptr;  ///< without rows: the only process with connections to that port and network
  double per_s = 0;                       ///< at least
  std::optional<double> opened_per_s;
};

bool leads_elsewhere(const PortUse& use) {
  Endpoint there = use.destination;
  there.port = 0;
  Endpoint here = use.source;
  here.port = 0;
  return !use.destination.is_loopback() && there != here;
}

/// Those that are open now and at rest have no row on a large host.
const NetworkTotals* only_holder(const Sample& now, const PortUse& use) {
  const NetworkTotals* found = nullptr;
  for (const NetworkTotals& one : now.networks) {
    if (one.netns != use.netns || one.accepted) continue;
    const bool somewhere = one.elsewhere && (one.port == 0 || one.port == use.destination.port);
    if (somewhere) return nullptr;  // theirs or not: it cannot be told
    if (one.port != use.destination.port || network_of(use.destination) != one.network) continue;
    if (found != nullptr && found->pid != one.pid) return nullptr;
    found = &one;
  }
  return found;
}

std::vector<Towards> short_ones(const Evidence& in) {
  const Sample& now = in.now();
  std::vector<Towards> out;
  for (const PortUse& use : now.port_use) {
    if (static_cast<double>(use.timewait) < in.policy.value(kMinTimeWait) || !leads_elsewhere(use)) continue;
    if (static_cast<double>(use.timewait) < in.policy.value(kShortShare) * static_cast<double>(use.used)) continue;
    Towards one{.use = &use, .per_s = static_cast<double>(use.timewait) / kTimeWaitS};
    Series opened = in.window.counter(use.netns, "Tcp.ActiveOpens");
    if (opened.size() >= 2) one.opened_per_s = opened.increase_per_s();
    // Entries of a burst that is over tell nothing.
    if (one.opened_per_s && *one.opened_per_s < kGoesOn * one.per_s) continue;
    auto space = port_space(now, use.netns);
    if (space && share_of(now, use, *space) >= in.policy.value(kPortShare)) continue;  // port-exhaustion's
    out.push_back(std::move(one));
  }
  if (out.empty()) return out;
  for (Towards& one : out) one.holder = only_holder(now, *one.use);
  std::map<std::pair<NetnsId, Endpoint>, Towards*> by_destination;
  for (Towards& one : out) by_destination.emplace(std::pair(one.use->netns, one.use->destination), &one);
  for (const SocketRow& row : now.sockets) {
    if (row.kind != SocketKind::full || !row.owner) continue;
    auto found = by_destination.find({row.netns, row.remote});
    if (found != by_destination.end()) found->second->rows.push_back(&row);
  }
  return out;
}

Finding finding_for(const Evidence& in, const Towards& one) {
  const Sample& now = in.now();
  const PortUse& use = *one.use;
  Finding finding;
  finding.id = kId;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::application;
  Scope& scope = finding.scope;
  scope.kind = ScopeKind::netns;
  if (!one.rows.empty()) {
    name_holder(scope, one.rows);
    scope.cgroup = one.rows.front()->cgroup;
  } else if (one.holder != nullptr) {
    scope.kind = ScopeKind::process;
    scope.pid = one.holder->pid;
    scope.comm = one.holder->comm;
    if (const OwnerTotals* owner = now.find_owner(one.holder->pid)) scope.cgroup = owner->cgroup;
  }
  scope.netns = use.netns;
  scope.netns_name = netns_name(now, use.netns);
  scope.remote = use.destination.text();
  scope.count = use.used;
  const std::string who = scope.pid ? process_text(scope) : "a program of this namespace";
  finding.title =
      fmt::format("{} opens about {:.0f} connections a second to {}, each for a moment", who, one.per_s, scope.remote);
  finding.confidence = scope.pid ? Confidence::medium : Confidence::low;
  finding.confidence_why = "this side closes them, and nearly all are in TIME_WAIT";
  if (!scope.pid) finding.confidence_why += "; whose they were was not seen";
  if (scope.pid && one.rows.empty())
    finding.confidence_why += "; no other process has connections to that port and network now";
  finding.evidence.push_back(measured(in.window, "time_wait_towards_it", source_of(now, FactId::snapshot),
                                      static_cast<double>(use.timewait), "sockets", in.policy.value(kMinTimeWait)));
  finding.evidence.push_back(measured(in.window, "share_in_time_wait", source_of(now, FactId::snapshot),
                                      static_cast<double>(use.timewait) / std::max(1.0, static_cast<double>(use.used)),
                                      "ratio", in.policy.value(kShortShare)));
  if (one.opened_per_s) {
    finding.evidence.push_back(measured(in.window, "opened_per_second", "Tcp.ActiveOpens", *one.opened_per_s, "per_s"));
  }
  std::optional<double> rtt_ms;
  for (const SocketRow* row : one.rows) {
    if (row->min_rtt_us.value_or(0) > 0) rtt_ms = std::min(rtt_ms.value_or(1e9), *row->min_rtt_us / 1e3);
  }
  if (rtt_ms)
    finding.evidence.push_back(measured(in.window, "round_trip", source_of(now, FactId::snapshot), *rtt_ms, "ms"));
  finding.meaning = fmt::format(
      "Each request pays for a handshake{}, one or two more round trips with TLS, and starts slowly. TIME_WAIT itself "
      "costs nothing; but a local port is taken for 60 s by each.",
      rtt_ms ? fmt::format(" ({:.1f} ms here)", *rtt_ms) : "");
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "In {}: keep connections and use them again (HTTP keep-alive, a pool), if requests follow "
      "each other.",
      who);
  if (auto space = port_space(now, use.netns); space && space->available() > 0) {
    cure.formula =
        fmt::format("{} local ports towards one destination / {:.0f} s = {:.0f} connections a second at most",
                    with_commas(space->available()), kTimeWaitS, static_cast<double>(space->available()) / kTimeWaitS);
  }
  cure.verify =
      "tcpadvisor report --only connection-per-request; ss -Htan state time-wait dst " + scope.remote + " | wc -l";
  finding.not_useful = {
      {"net.ipv4.tcp_tw_reuse, net.ipv4.tcp_fin_timeout", "the handshakes stay"},
      {"SO_LINGER 0", "saves an entry of 256 bytes, and answers may be lost"},
  };
  return finding;
}

Outcome judge_short(const Evidence& in) {
  if (std::string problem = snapshot_problem(in.now()); !problem.empty()) return Outcome::unknown(problem);
  std::vector<Finding> findings;
  for (const Towards& one : short_ones(in)) findings.push_back(finding_for(in, one));
  return Outcome::of(std::move(findings), "", "destinations with a connection for each request", "0");
}

constexpr std::array kThresholds = {kMinTimeWait, kShortShare, kPortShare};
constexpr std::array<std::string_view, 1> kReferences = {"RFC 9112, 9.3 (persistence)"};

}  // namespace
}  // namespace connection_per_request_rule

namespace rules {

extern const Rule connection_per_request = {
    .id = connection_per_request_rule::kId,
    .title = "a connection for each request",
    .explanation =
        "A client that opens a connection for each request and closes it pays for a handshake each time, and leaves a "
        "local port in TIME_WAIT for 60 s. Far below the end of the ports that is only slow, so this is information.",
    .thresholds = connection_per_request_rule::kThresholds,
    .references = connection_per_request_rule::kReferences,
    .judge = connection_per_request_rule::judge_short,
};

}  // namespace rules
}  // namespace tcpadvisor
