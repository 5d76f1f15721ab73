// SPDX-License-Identifier: Apache-2.0
// Processes none of whose many idle connections has anything that would tell of a peer that has vanished.
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
#include "advisor/evidence/names.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/resting.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace no_timeouts_rule {
namespace {

constexpr Threshold kMinIdle = count_threshold("min_idle", 50);
constexpr Threshold kNone = ratio_threshold("without", 0.9);          // of the connections to other hosts
constexpr Threshold kIdleShare = ratio_threshold("idle", 0.5);        // of those
constexpr Threshold kIdleFor = {"idle_for", 600, "s", 0.001, 3'600};  // longer than most heartbeats are apart
constexpr const char* kId = "no-timeouts";
constexpr double kProbeEveryS = 60;  // what is advised

/// Rows of one process that the totals count, and what only rows tell.
struct Seen {
  std::uint64_t here = 0, here_none = 0, here_idle = 0;  ///< other ends in other namespaces of this host
  std::uint64_t here_kept = 0;                           ///< of those, with keepalive at the other end
  std::vector<const SocketRow*> silent;                  ///< without anything, and idle
  std::map<std::uint16_t, std::uint64_t> accepted;       ///< of those, by listening port
  std::vector<const NetworkTotals*> networks;            ///< where not each of them has a row
};

bool leads_elsewhere(const SocketRow& row) {
  return !row.remote.is_loopback() && (row.local.v6 != row.remote.v6 || row.local.ip != row.remote.ip);
}

bool has_none(const SocketRow& row) {
  return row.keepalive == false && row.user_timeout_ms == 0u && row.send_timeout_ms == 0u && row.recv_timeout_ms == 0u;
}

std::map<Pid, Seen> rows_by_process(const Evidence& in, double idle_s) {
  std::map<Pid, Seen> out;
  const Connections& connections = in.window.connections();
  for (const SocketRow* at : connections.in_state(TcpState::established)) {
    const SocketRow& row = *at;
    if (!row.owner || !leads_elsewhere(row) || row.mptcp) continue;
    const bool none = has_none(row);
    const bool idle = none && row.last_data_sent_ms.value_or(UINT32_MAX) >= idle_s * 1e3 &&
                      row.last_data_recv_ms.value_or(UINT32_MAX) >= idle_s * 1e3;
    Seen& rows = out[row.owner->pid];
    if (const SocketRow* other = connections.other_end(row)) {
      ++rows.here;
      rows.here_none += none ? 1 : 0;
      rows.here_idle += idle ? 1 : 0;
      rows.here_kept += none && other->keepalive == true ? 1 : 0;
    } else if (idle) {
      rows.silent.push_back(at);
      if (!connections.listeners(row.netns, row.local.port).empty()) ++rows.accepted[row.local.port];
    }
  }
  return out;
}

/// Of connections without a row only totals tell to which port they came, and whether they have keepalive.
void add_networks(const Sample& now, std::size_t slot, std::map<Pid, Seen>& rows) {
  for (const auto& [process, networks] : networks_by_process(now)) {
    const OwnerTotals* owner = now.find_owner(process.first);
    if (owner == nullptr || !owner->timeouts || owner->timeouts->one_in <= 1) continue;
    Seen& of_it = rows[process.first];
    if (of_it.networks.empty()) of_it.accepted.clear();
    for (const NetworkTotals* one : networks) {
      const std::uint64_t silent = mul_sat(sum_from(one->silent, slot), std::uint64_t{one->one_in});
      if (silent == 0 || (!one->elsewhere && one->network.is_loopback())) continue;
      of_it.networks.push_back(one);
      if (one->accepted) of_it.accepted[one->port] = add_sat(of_it.accepted[one->port], silent);
    }
  }
}

/// What is known of one process, over all its connections to other hosts.
struct Posture {
  const OwnerTotals* owner = nullptr;
  std::uint64_t looked = 0, none = 0, idle = 0;  ///< of those looked at
  std::uint64_t one_in = 1;
  std::uint64_t all_idle() const { return mul_sat(idle, one_in); }
};

Posture posture_of(const OwnerTotals& owner, const Seen* rows, std::size_t slot) {
  const TimeoutTotals& totals = *owner.timeouts;
  Posture out{.owner = &owner, .looked = totals.looked, .none = totals.none, .one_in = std::max(totals.one_in, 1u)};
  for (std::size_t i = slot; i < totals.none_idle.size(); ++i)
    out.idle = add_sat(out.idle, std::uint64_t{totals.none_idle[i]});
  if (rows == nullptr || out.one_in > 1) return out;
  out.looked -= std::min(out.looked, rows->here);
  out.none -= std::min(out.none, rows->here_none);
  out.idle -= std::min(out.idle, rows->here_idle);
  return out;
}

bool is_without(const Posture& posture, const Policy& policy) {
  return static_cast<double>(posture.all_idle()) >= policy.value(kMinIdle) &&
         static_cast<double>(posture.none) >= policy.value(kNone) * static_cast<double>(posture.looked) &&
         static_cast<double>(posture.idle) >= policy.value(kIdleShare) * static_cast<double>(posture.none);
}

void name(const Evidence& in, const Posture& posture, const Seen* rows, Scope& scope) {
  const OwnerTotals& owner = *posture.owner;
  scope.kind = ScopeKind::process;
  scope.netns = owner.netns;
  if (rows != nullptr && !rows->silent.empty()) {
    scope.netns = rows->silent.front()->netns;
    name_sockets(scope, rows->silent);
    if (rows->accepted.size() != 1) scope.local.clear();
  }
  scope.netns_name = netns_name(in.now(), scope.netns);
  scope.pid = owner.pid;
  scope.comm = owner.comm;
  scope.cgroup = owner.cgroup;
  scope.count = posture.all_idle();
}

void add_evidence(const Evidence& in, const Posture& posture, double idle_s, Finding& finding) {
  const std::string source = source_of(in.now(), FactId::owners);
  const TimeoutTotals& totals = *posture.owner->timeouts;
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("idle_without_timeouts", static_cast<double>(posture.all_idle()), "sockets", in.policy.value(kMinIdle));
  say("idle_for_at_least", idle_s, "s", in.policy.value(kIdleFor));
  say("without_timeouts", static_cast<double>(posture.none) / std::max(1.0, static_cast<double>(posture.looked)),
      "ratio", in.policy.value(kNone));
  say("looked_at", static_cast<double>(posture.looked), "sockets");
  say("with_keepalive", totals.keepalive, "sockets");
  say("with_tcp_user_timeout", totals.user_timeout, "sockets");
  say("with_so_sndtimeo", totals.send_timeout, "sockets");
  say("with_so_rcvtimeo", totals.recv_timeout, "sockets");
}

std::string why_low(const Posture& posture, const Seen* rows) {
  std::string why =
      "the program's own timers cannot be seen: one that ends idle connections later, or heartbeats further apart, "
      "would "
      "do as well";
  if (posture.one_in > 1) {
    why += fmt::format("; {} were looked at, about one in {}, and some may lead to other namespaces of this host",
                       counted(posture.looked, "connection"), with_commas(posture.one_in));
  }
  if (rows != nullptr && posture.one_in == 1 && rows->here > 0) {
    why += fmt::format("; {} more lead to other namespaces of this host, whose ends are known, and do not count",
                       with_commas(rows->here));
    if (rows->here_kept > 0)
      why += fmt::format(" ({} have keepalive at their other end)", with_commas(rows->here_kept));
  }
  return why;
}

Finding finding_for(const Evidence& in, const Posture& posture, const Seen* rows, double idle_s) {
  const Sample& now = in.now();
  Finding finding;
  finding.id = kId;
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::application;
  finding.confidence = Confidence::low;
  finding.confidence_why = why_low(posture, rows);
  name(in, posture, rows, finding.scope);
  const std::string who = process_text(finding.scope);
  std::string where;
  if (rows != nullptr && rows->accepted.size() == 1) where = fmt::format(" on port {}", rows->accepted.begin()->first);
  if (rows != nullptr && rows->networks.size() == 1 && finding.scope.remote.empty())
    finding.scope.remote = network_text(*rows->networks.front());
  finding.title = fmt::format(
      "Nothing would tell {} that a peer has vanished: {}{} without keepalive or time-out, idle for "
      "{} or longer",
      who, counted(posture.all_idle(), "connection"), where, seconds_text(idle_s));
  add_evidence(in, posture, idle_s, finding);
  if (rows != nullptr) {
    std::size_t told = 0;
    const FactId from = rows->networks.empty() ? FactId::snapshot : FactId::owners;
    for (const auto& [port, count] : rows->accepted) {
      if (++told > 3) break;
      finding.evidence.push_back(measured(in.window, fmt::format("of_port_{}", port), source_of(now, from),
                                          static_cast<double>(count), "sockets"));
    }
  }
  finding.meaning =
      "A peer that loses power, its network or its NAT entry says no goodbye. Only what is sent finds out, and here "
      "nothing is: such a connection stays ESTABLISHED, with its descriptor and some 4 KB of kernel memory, until the "
      "program ends.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "In {}: SO_KEEPALIVE (TCP_KEEPIDLE {:.0f}, TCP_KEEPINTVL 10, TCP_KEEPCNT 6), or end what is idle for too long, "
      "unless "
      "it has such a timer.",
      who, kProbeEveryS);
  cure.steps = {
      "set on a listener it holds for all that accept() gives; nginx: listen … so_keepalive=on; HAProxy: option "
      "clitcpka, "
      "timeout client; PostgreSQL: tcp_keepalives_idle; Redis: tcp-keepalive",
      fmt::format("see them: {}ss -tnoe state established: no timer:(keepalive", in_netns(now, finding.scope.netns)),
  };
  cure.formula = fmt::format("what the probes cost: {} connections / {:.0f} s = {:.1f} packets a second",
                             with_commas(posture.all_idle()), kProbeEveryS,
                             static_cast<double>(posture.all_idle()) / kProbeEveryS);
  cure.verify = "tcpadvisor report --only no-timeouts: fine; ss -tno shows timer:(keepalive on these connections";
  finding.not_useful = {
      {"net.ipv4.tcp_keepalive_time, _intvl, _probes", "act on sockets with SO_KEEPALIVE only"},
      {"TCP_USER_TIMEOUT alone, net.ipv4.tcp_retries2", "count what is not acknowledged, and nothing is sent"},
  };
  return finding;
}

Outcome judge_no_timeouts(const Evidence& in) {
  const Sample& now = in.now();
  if (!owners_known(now)) return Outcome::unknown("which process holds what is not known");
  const std::size_t slot = first_idle_slot(in.policy.value(kIdleFor));
  const double idle_s = std::max(in.policy.value(kIdleFor), idle_from_s(slot));
  std::map<Pid, Seen> rows = rows_by_process(in, idle_from_s(slot));
  add_networks(now, slot, rows);
  std::vector<Finding> findings;
  std::string not_assessed;
  std::uint64_t blind = 0, processes = 0;
  for (const OwnerTotals& owner : now.owners) {
    if (!owner.timeouts) {
      blind += owner.sockets[index_of(TcpState::established)] >= in.policy.value(kMinIdle) ? 1 : 0;
      continue;
    }
    ++processes;
    auto own = rows.find(owner.pid);
    const Seen* of_it = own == rows.end() ? nullptr : &own->second;
    const Posture posture = posture_of(owner, of_it, slot);
    if (!is_without(posture, in.policy)) continue;
    if (posture.one_in > 1 && posture.looked < kLookedAtLeast) {
      keep_one(not_assessed, fmt::format("{}[{}]: only {} of about {} were looked at", owner.comm, owner.pid,
                                         counted(posture.looked, "connection"),
                                         with_commas(mul_sat(posture.looked, posture.one_in))));
      continue;
    }
    findings.push_back(finding_for(in, posture, of_it, idle_s));
  }
  if (not_assessed.empty() && blind > 0) {
    not_assessed = fmt::format("{} does not show keepalive and time-outs of the connections of {}",
                               source_of(now, FactId::owners), counted(blind, "process"));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed),
                     "processes with many idle connections that have no time-out", fmt::format("0 of {}", processes));
}

constexpr std::array kThresholds = {kMinIdle, kNone, kIdleShare, kIdleFor};
constexpr std::array<std::string_view, 2> kReferences = {
    "tcp(7): TCP_KEEPIDLE, TCP_USER_TIMEOUT; socket(7): SO_RCVTIMEO",
    "RFC 1122, 4.2.3.6 (keepalive is off by default)"};
constexpr std::array kExplainedBy = {
    ExplainedBy{"established-dead-peer-leak", Link::same_process, Then::remove},
};

}  // namespace
}  // namespace no_timeouts_rule

namespace rules {

extern const Rule no_timeouts = {
    .id = no_timeouts_rule::kId,
    .title = "nothing would tell that the peers of idle connections have vanished",
    .explanation =
        "TCP says nothing while nothing is sent. Who keeps many connections that rest for long, without SO_KEEPALIVE, "
        "TCP_USER_TIMEOUT, SO_SNDTIMEO or SO_RCVTIMEO, never learns that a peer was switched off, unless the program "
        "has "
        "timers or heartbeats of its own, which cannot be seen from outside. Connections within this host do not "
        "count: "
        "the kernel knows both ends.",
    .thresholds = no_timeouts_rule::kThresholds,
    .references = no_timeouts_rule::kReferences,
    .explained_by = no_timeouts_rule::kExplainedBy,
    .judge = no_timeouts_rule::judge_no_timeouts,
};

}  // namespace rules
}  // namespace tcpadvisor
