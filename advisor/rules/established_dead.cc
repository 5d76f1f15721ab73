// SPDX-License-Identifier: Apache-2.0
// Connections that a server keeps although their clients are gone: nothing is sent, so nobody asks the peer whether it
// still lives.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/evidence/names.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/resting.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace established_dead_rule {
namespace {

constexpr Threshold kIdleFor = time_threshold("idle_for", 3'600);       // where only other connections speak
constexpr Threshold kNoEndFor = time_threshold("no_other_end_for", 5);  // idle, where the other end would be here
constexpr const char* kId = "established-dead-peer-leak";
constexpr const char* kProbeAfter = "net.ipv4.tcp_keepalive_time";
constexpr double kProbeEveryS = 60;  // what is advised

/// The silent connections of one process to one of its ports.
struct Silent {
  Scope scope;
  std::vector<const SocketRow*> rows;
  bool certain = false;     ///< the other end would be on this host, and is not
  std::uint64_t again = 0;  ///< newer connections from the same addresses, which are in use
  double idle_s = 0;        ///< the shortest
};

using Place = std::pair<NetnsId, Endpoint>;  ///< an end of a connection

std::optional<double> idle_s(const SocketRow& row) {
  if (!row.last_data_sent_ms || !row.last_data_recv_ms) return std::nullopt;
  return std::min(*row.last_data_sent_ms, *row.last_data_recv_ms) / 1000.0;
}

/// It came to a listener, and nothing waits. What waits is acknowledged or not, and other rules ask that.
bool may_be_forgotten(const Connections& connections, const SocketRow& row) {
  return row.state == TcpState::established && row.kind == SocketKind::full && held_by_process(row) &&
         row.send_q == 0 && !row.mptcp && !connections.listeners(row.netns, row.local.port).empty();
}

enum class Probed : std::uint8_t { yes, no, unknown };
Probed probed(const SocketRow& row) {
  if (row.timer == Timer::keepalive || row.keepalive == true) return Probed::yes;
  return row.keepalive ? Probed::no : Probed::unknown;
}

/// Every end that some socket has, so that a peer which only looks different (a redirection) is not missed.
std::set<Place> ends_of(const Sample& now) {
  std::set<Place> out;
  for (const SocketRow& row : now.sockets) out.emplace(row.netns, row.local);
  return out;
}

struct Found {
  std::vector<Silent> groups;
  std::uint64_t idle = 0, blind = 0;
};

/// What is silent, by process, port and whether that is certain.
Found silent(const Evidence& in) {
  const Sample& now = in.now();
  const Connections& connections = in.window.connections();
  const double long_s = in.policy.value(kIdleFor), no_end_s = in.policy.value(kNoEndFor);
  using Key = std::tuple<NetnsId, std::uint16_t, Endpoint>;  ///< port here, and address there
  auto key_of = [](const SocketRow& row) {
    Endpoint address = row.remote;
    address.port = 0;
    return Key(row.netns, row.local.port, address);
  };
  Found out;
  std::vector<const SocketRow*> quiet;
  std::map<Key, std::uint64_t> in_use;
  for (const SocketRow& row : now.sockets) {
    if (!may_be_forgotten(connections, row)) continue;
    std::optional<double> idle = idle_s(row);
    if (!idle) continue;
    if (*idle < long_s / 2) ++in_use[key_of(row)];
    if (*idle < std::min(long_s, no_end_s)) continue;
    if (connections.other_end(row) != nullptr) continue;
    ++out.idle;
    if (probed(row) == Probed::unknown) ++out.blind;
    if (probed(row) == Probed::no) quiet.push_back(&row);
  }
  if (quiet.empty()) return out;
  const std::set<Place> ends = ends_of(now);
  std::map<std::tuple<std::optional<Group>, NetnsId, std::uint16_t, bool>, Silent> groups;
  for (const SocketRow* row : quiet) {
    const double idle = idle_s(*row).value_or(0);
    const bool certain = row->remote.is_loopback() && !ends.contains({row->netns, row->remote});
    auto newer = in_use.find(key_of(*row));
    if (!certain && (row->remote.is_loopback() || idle < long_s || newer == in_use.end())) continue;
    if (certain && idle < no_end_s) continue;
    Silent& group = groups[{group_of(*row), row->netns, row->local.port, certain}];
    group.idle_s = group.rows.empty() ? idle : std::min(group.idle_s, idle);
    group.certain = certain;
    group.rows.push_back(row);
  }
  for (auto& [key, group] : groups) {
    std::set<Key> addresses;
    for (const SocketRow* row : group.rows) addresses.insert(key_of(*row));
    for (const Key& address : addresses) {
      if (auto newer = in_use.find(address); newer != in_use.end()) group.again = add_sat(group.again, newer->second);
    }
    out.groups.push_back(std::move(group));
  }
  return out;
}

void name(const Sample& now, Silent& group) {
  const SocketRow& first = *group.rows.front();
  group.scope.netns = first.netns;
  group.scope.netns_name = netns_name(now, first.netns);
  group.scope.cgroup = first.cgroup;
  name_sockets(group.scope, group.rows);
}

const OwnerTotals* owner_of(const Evidence& in, const Silent& group) {
  return group.scope.pid ? in.window.connections().owner(*group.scope.pid) : nullptr;
}

void add_evidence(const Evidence& in, const Silent& group, Finding& finding) {
  const std::string source = source_of(in.now(), FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("silent_connections", static_cast<double>(group.rows.size()), "sockets", in.policy.value(kMinCount));
  say("idle_for_at_least", group.idle_s, "s", in.policy.value(group.certain ? kNoEndFor : kIdleFor));
  if (group.again > 0) say("newer_from_same_address", static_cast<double>(group.again), "sockets");
  const OwnerTotals* owner = owner_of(in, group);
  if (owner == nullptr) return;
  constexpr std::size_t kEstablished = index_of(TcpState::established);
  say("established_of_process", owner->sockets[kEstablished], "sockets");
  Series counts = in.window.owner_series(
      *owner, [](const PastOwner& then) { return std::optional<double>(then.sockets[kEstablished]); });
  if (counts.size() >= 2 && counts.last() > counts.first()) say("growth", counts.per_minute(), "per_min");
  if (owner->fds && owner->fd_limit.value_or(0) > 0) {
    say("fd_use", *owner->fds / static_cast<double>(*owner->fd_limit), "ratio", in.policy.value(kFdUse));
  }
}

void say_cure(const Evidence& in, const Silent& group, Finding& finding) {
  const Sample& now = in.now();
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "In {}: end connections that are idle for too long, or set SO_KEEPALIVE (TCP_KEEPIDLE {:.0f}, TCP_KEEPINTVL 10, "
      "TCP_KEEPCNT 6) on what accept() gives it.",
      process_text(group.scope), kProbeEveryS);
  cure.steps.push_back(fmt::format("see them: {}ss -tno state established sport = :{}: no timer:(keepalive",
                                   in_netns(now, group.scope.netns), group.rows.front()->local.port));
  cure.steps.emplace_back("for data on its way as well: TCP_USER_TIMEOUT, or a heartbeat of the protocol");
  cure.formula =
      fmt::format("what the probes cost: {} connections / {:.0f} s = {:.1f} packets a second",
                  with_commas(group.rows.size()), kProbeEveryS, static_cast<double>(group.rows.size()) / kProbeEveryS);
  cure.verify =
      "tcpadvisor report --only established-dead-peer-leak: none is left; TcpExtTCPKeepAlive rises, and "
      "TcpExtTCPAbortOnTimeout counts those that it ends";
  auto after = sysctl_value(now, group.scope.netns, kProbeAfter);
  finding.not_useful = {
      {"net.ipv4.tcp_keepalive_time, _intvl, _probes",
       fmt::format("act on sockets with SO_KEEPALIVE only{}; none of these has it",
                   after ? fmt::format(" ({} = {})", kProbeAfter, *after) : "")},
      {"net.ipv4.tcp_retries2", "counts answers to data, and none is sent"},
      {"net.ipv4.tcp_fin_timeout", "begins when somebody closes"},
  };
}

Finding finding_for(const Evidence& in, const Silent& group) {
  Finding finding;
  finding.id = kId;
  finding.topic = group.certain ? "no-other-end" : "";
  finding.finding_class = FindingClass::application;
  finding.scope = group.scope;
  const OwnerTotals* owner = owner_of(in, group);
  const bool short_of_fds = owner != nullptr && owner->fds && owner->fd_limit.value_or(0) > 0 &&
                            *owner->fds >= in.policy.value(kFdUse) * static_cast<double>(*owner->fd_limit);
  finding.severity = group.certain || short_of_fds ? Severity::warning : Severity::info;
  const std::string who = process_text(group.scope), many = counted(group.rows.size(), "connection");
  const std::string idle = seconds_text(group.idle_s);
  if (group.certain) {
    finding.title = fmt::format("{} keeps {} whose other ends no longer exist, on port {}", who, many,
                                group.rows.front()->local.port);
    finding.confidence_why = fmt::format(
        "they lead to this host's loopback, no socket has the other address and port, and nothing came for {}", idle);
  } else {
    finding.title = fmt::format("{} keeps {} that were silent for {} or longer, and their clients have come again", who,
                                many, idle);
    finding.confidence = Confidence::low;
    finding.confidence_why = fmt::format(
        "{} from the same addresses carry data; several clients behind one address, or clients that only wait for "
        "news, look the same, and a peer that probes us is not seen to do so",
        counted(group.again, "newer connection"));
  }
  finding.confidence_why += why_no_pid(group.scope);
  add_evidence(in, group, finding);
  finding.meaning =
      "A peer that loses its power, its network or its NAT entry says no goodbye. This end sends nothing and has no "
      "keepalive, so nothing ever tells it: each such connection stays ESTABLISHED, with its descriptor and memory, "
      "until the program ends.";
  say_cure(in, group, finding);
  fit_to_holder(finding);
  return finding;
}

/// What the totals tell of connections without a row: how many came here, rest for long and have no keepalive. Whether
/// their clients have come again, or exist, only rows would tell.
std::string without_rows(const Evidence& in, std::uint64_t unlisted) {
  const Sample& now = in.now();
  const std::string many = counted(unlisted, "connection");
  const std::size_t slot = first_idle_slot(in.policy.value(kIdleFor));
  std::uint64_t looked = 0, silent = 0, most = 0;
  std::uint32_t one_in = 1;
  const NetworkTotals* where = nullptr;
  for (const NetworkTotals& one : now.networks) {
    if (!one.keepalive || !one.accepted) continue;
    looked = add_sat(looked, std::uint64_t{one.looked});
    one_in = std::max(one_in, one.one_in);
    const std::uint64_t here = mul_sat(sum_from(one.silent, slot), std::uint64_t{one.one_in});
    silent = add_sat(silent, here);
    if (one.pid != 0 && here > most) {
      most = here;
      where = &one;
    }
  }
  if (looked < kLookedAtLeast) {
    return fmt::format(
        "{} have no row: on so large a host which of them are silent, and without keepalive, is not known", many);
  }
  const std::string rest = seconds_text(idle_from_s(slot));
  if (silent == 0) {
    return fmt::format(
        "{} have no row; of {} that came to a port here and were looked at, about one in {}, none was "
        "silent for {} without keepalive",
        many, with_commas(looked), with_commas(one_in), rest);
  }
  std::string out = fmt::format(
      "{} have no row; about {} that came to a port here are silent for {} or longer, without "
      "keepalive",
      many, with_commas(silent), rest);
  if (where != nullptr) {
    out += fmt::format(", most of them of {}[{}] on {}", where->comm, where->pid, place_text(*where));
  }
  return out + "; whether their clients have come again is not known";
}

Outcome judge_dead_peer_leak(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  if (StateTotals unlisted = unlisted_connections(now); unlisted.count > 0) {
    return Outcome::unknown(without_rows(in, unlisted.count));
  }
  if (now.self.partial) return Outcome::unknown("not all sockets were listed: " + now.self.partial_why);
  Found found = silent(in);
  std::vector<Finding> findings;
  for (Silent& group : found.groups) {
    if (static_cast<double>(group.rows.size()) < in.policy.value(kMinCount)) continue;
    name(now, group);
    findings.push_back(finding_for(in, group));
  }
  std::string not_assessed;
  if (static_cast<double>(found.blind) >= in.policy.value(kMinCount)) {
    not_assessed = fmt::format("{} are idle, but {} does not show whether they have keepalive",
                               counted(found.blind, "connection"), source_of(now, FactId::snapshot));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "connections whose clients are known to be gone",
                     fmt::format("0 of {} that are idle", with_commas(found.idle)));
}

constexpr std::array kThresholds = {kMinCount, kIdleFor, kNoEndFor, kFdUse};
constexpr std::array<std::string_view, 2> kReferences = {"tcp(7): TCP_KEEPIDLE, TCP_USER_TIMEOUT",
                                                         "RFC 1122, 4.2.3.6 (keepalive is off by default)"};
constexpr std::array kExplainedBy = {kProcessStopped};

}  // namespace
}  // namespace established_dead_rule

namespace rules {

extern const Rule established_dead_peer_leak = {
    .id = established_dead_rule::kId,
    .title = "connections are kept whose peers are gone",
    .explanation =
        "A peer that vanishes without a FIN or a reset leaves its connection ESTABLISHED here. Only who sends finds "
        "out: data, a heartbeat, or the kernel's keepalive probes, which a program has to ask for on each socket. "
        "Without them a server collects such connections until its descriptors end. This looks for silent ones whose "
        "clients have come again from the same address, or whose other end would be on this host and is not.",
    .thresholds = established_dead_rule::kThresholds,
    .references = established_dead_rule::kReferences,
    .explained_by = established_dead_rule::kExplainedBy,
    .judge = established_dead_rule::judge_dead_peer_leak,
};

}  // namespace rules
}  // namespace tcpadvisor
