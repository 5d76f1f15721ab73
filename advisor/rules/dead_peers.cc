// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/unanswered.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace dead_peers_rule {
namespace {

constexpr Threshold kShare =
    ratio_threshold("share_of_sockets", 0.05).clears_at(0.6);  // some of many peers are always gone
constexpr Threshold kPartAtLeast = count_threshold("part_at_least", 4);
constexpr Threshold kPart = ratio_threshold("part", 0.5);                                 // of the process' connections
constexpr Threshold kMemoryShare = ratio_threshold("memory_share", 0.1).clears_at(0.5);   // of tcp_mem[1]
constexpr Threshold kOrphanShare = ratio_threshold("orphan_share", 0.25).clears_at(0.4);  // of tcp_max_orphans
constexpr const char* kRetries = "net.ipv4.tcp_retries2";
constexpr const char* kOrphanRetries = "net.ipv4.tcp_orphan_retries";

using Host = std::pair<NetnsId, Endpoint>;  ///< port 0
Host host_of(const SocketRow& row) {
  Endpoint address = row.remote;
  address.port = 0;
  return {row.netns, address};
}

/// The connections of one process, or of nobody in one namespace: the program has closed them.
struct Dead {
  Scope scope;
  bool closed = false;
  std::vector<const SocketRow*> rows;
  std::uint64_t waiting = 0, memory = 0;        ///< bytes in Send-Q, and as the kernel charges them
  std::uint64_t connections = 0;                ///< of the process, 0 if not known
  std::uint64_t limited = 0;                    ///< of `rows`, by TCP_USER_TIMEOUT
  double silent_s = 0, trying_s = 0;            ///< the longest
  std::uint32_t tries = 0;                      ///< the most
  std::optional<double> first_ends, last_ends;  ///< seconds, of those of which it can be told
  std::uint64_t answering = 0;                  ///< other connections to the same addresses, whose peers are heard
  std::vector<const SocketRow*> ends_here;      ///< the other ends, as far as they are on this host
  std::string peers;
};

void add(const Unanswered& one, Dead& dead) {
  const SocketRow& row = *one.row;
  dead.rows.push_back(&row);
  dead.waiting = add_sat(dead.waiting, row.send_q);
  dead.memory = add_sat(dead.memory, std::max(row.send_q, row.wmem_queued.value_or(0)));
  dead.limited += one.limited ? 1 : 0;
  dead.silent_s = std::max(dead.silent_s, one.silent_s);
  dead.trying_s = std::max(dead.trying_s, one.trying_s);
  dead.tries = std::max(dead.tries, one.tries);
  if (!one.ends_in) return;
  dead.first_ends = std::min(dead.first_ends.value_or(*one.ends_in), *one.ends_in);
  dead.last_ends = std::max(dead.last_ends.value_or(*one.ends_in), *one.ends_in);
}

std::string peers_text(const Dead& dead) {
  if (!dead.scope.remote.empty()) return dead.scope.remote;
  std::vector<std::string> addresses;
  addresses.reserve(dead.rows.size());
  for (const SocketRow* row : dead.rows) addresses.push_back(row->remote.ip_text());
  return most_frequent(addresses);
}

std::uint64_t connections_of(const OwnerTotals& owner) {
  std::uint64_t sum = 0;
  for (TcpState state : {TcpState::established, TcpState::close_wait, TcpState::fin_wait_1, TcpState::last_ack})
    sum += owner.sockets[index_of(state)];
  return sum;
}

/// Connections to these addresses whose peers were heard of in the time that the dead ones were silent.
std::map<Host, std::uint64_t> answering(const Sample& now, const std::map<Host, double>& silent) {
  std::map<Host, std::uint64_t> out;
  if (silent.empty()) return out;
  for (const SocketRow& row : now.sockets) {
    if (row.kind != SocketKind::full || row.state != TcpState::established || !row.last_ack_recv_ms) continue;
    auto found = silent.find(host_of(row));
    if (found != silent.end() && *row.last_ack_recv_ms < found->second * 1000) ++out[found->first];
  }
  return out;
}

struct Found {
  std::vector<Dead> groups;
  std::uint64_t watched = 0, blind = 0;
};

Found dead_peers(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  Found out;
  std::map<std::pair<std::optional<Group>, NetnsId>, Dead> groups;
  std::map<Host, double> silent;
  for (const SocketRow& row : now.sockets) {
    if (!may_send(row)) continue;
    ++out.watched;
    Unanswered one;
    Answers said = answers(window, in.policy, row, &one);
    out.blind += said == Answers::unknown ? 1 : 0;
    if (said != Answers::no) continue;
    Dead& dead = groups[{group_of(row), row.netns}];
    if (dead.rows.empty()) {
      dead.closed = row.holder == Holder::orphan;
      dead.scope.netns = row.netns;
      dead.scope.netns_name = netns_name(now, row.netns);
      dead.scope.cgroup = row.cgroup;
      const OwnerTotals* owner = row.owner ? window.connections().owner(row.owner->pid) : nullptr;
      if (owner != nullptr) dead.connections = connections_of(*owner);
    }
    add(one, dead);
    if (const SocketRow* far = window.connections().other_end(row)) dead.ends_here.push_back(far);
    // The youngest silence counts: what was heard before it says nothing.
    auto [at, added] = silent.emplace(host_of(row), one.trying_s);
    if (!added) at->second = std::min(at->second, one.trying_s);
  }
  const std::map<Host, std::uint64_t> heard = answering(now, silent);
  for (auto& [key, dead] : groups) {
    name_sockets(dead.scope, dead.rows);
    dead.peers = peers_text(dead);
    std::map<Host, std::uint64_t> hosts;
    for (const SocketRow* row : dead.rows) {
      if (auto found = heard.find(host_of(*row)); found != heard.end()) hosts.insert(*found);
    }
    for (const auto& [host, count] : hosts) dead.answering = add_sat(dead.answering, count);
    out.groups.push_back(std::move(dead));
  }
  return out;
}

/// Shares of what the host allows; nothing where that is not known.
std::optional<double> memory_share(const Sample& now, const Dead& dead) {
  if (!now.memory.limits_pages || (*now.memory.limits_pages)[1] == 0) return std::nullopt;
  return static_cast<double>(dead.memory) /
         (static_cast<double>((*now.memory.limits_pages)[1]) * static_cast<double>(now.memory.page_size));
}

std::optional<double> orphan_share(const Sample& now, const Dead& dead) {
  auto most = sysctl_value(now, dead.scope.netns, "net.ipv4.tcp_max_orphans");
  if (!dead.closed || !most || *most <= 0) return std::nullopt;
  return static_cast<double>(dead.rows.size()) / static_cast<double>(*most);
}

bool is_much(const Evidence& in, const Dead& dead) {
  const Policy& policy = in.policy;
  if (memory_share(in.now(), dead).value_or(0) >= policy.value(kMemoryShare)) return true;
  if (dead.closed) return orphan_share(in.now(), dead).value_or(0) >= policy.value(kOrphanShare);
  if (dead.limited == dead.rows.size()) return false;  // the program has said how long it waits
  const auto count = static_cast<double>(dead.rows.size());
  const double all = std::max(static_cast<double>(dead.connections), count);
  const bool many = count >= policy.value(kMinCount) && count >= policy.value(kShare) * all;
  const bool part = dead.connections > 0 && count >= policy.value(kPartAtLeast) && count >= policy.value(kPart) * all;
  return many || part;
}

void add_evidence(const Evidence& in, const Dead& dead, Finding& finding) {
  std::string source = source_of(in.now(), FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("unanswered_connections", static_cast<double>(dead.rows.size()), "sockets", in.policy.value(kMinCount));
  if (dead.connections > 0) {
    say("share_of_connections",
        std::min(1.0, static_cast<double>(dead.rows.size()) / static_cast<double>(dead.connections)), "ratio",
        in.policy.value(kPart));
  }
  say("send_q", static_cast<double>(dead.waiting), "bytes");
  say("timeouts_in_a_row", dead.tries, "count", in.policy.value(kTries));
  say("not_heard_for", dead.silent_s, "s", in.policy.value(kSilentFor));
  say("sent_again_for", dead.trying_s, "s");
  if (auto share = memory_share(in.now(), dead))
    say("share_of_tcp_mem", *share, "ratio", in.policy.value(kMemoryShare));
  if (auto share = orphan_share(in.now(), dead))
    say("share_of_orphans", *share, "ratio", in.policy.value(kOrphanShare));
  if (dead.last_ends) say("kernel_gives_up_in", *dead.last_ends, "s");
  if (dead.answering > 0) say("answer_at_same_address", static_cast<double>(dead.answering), "sockets");
}

std::string ends_text(const Dead& dead) {
  if (!dead.last_ends) return "";
  std::string first = seconds_text(std::round(*dead.first_ends)), last = seconds_text(std::round(*dead.last_ends));
  if (*dead.last_ends < 1) return " The kernel gives up at the next time-out.";
  return fmt::format(" The kernel gives up in about {}{}.", first == last ? "" : first + " to ", last);
}

std::string meaning_of(const Dead& dead) {
  std::string out =
      "The data is sent again and again, at ever longer intervals, and no acknowledgement comes: the peers have "
      "vanished, "
      "or something on the way drops what is sent or what is answered.";
  if (!dead.ends_here.empty()) {
    out =
        "The data is sent again and again, and no acknowledgement comes, although the other end is on this host: "
        "something between the two drops it (a firewall rule, a bridge, a device that is down).";
  } else if (dead.answering > 0) {
    out += fmt::format(
        " {} to the same address {} answered: a firewall, NAT or load balancer has forgotten these, or "
        "only large segments are lost.",
        counted(dead.answering, "other connection"), dead.answering == 1 ? "is" : "are");
  }
  out += ends_text(dead);
  if (!dead.closed) out += " Until then the program gets no error from it, and its writes block or return EAGAIN.";
  return out;
}

void say_cure(const Evidence& in, const Dead& dead, Finding& finding) {
  const Sample& now = in.now();
  const std::string ns = in_netns(now, dead.scope.netns), ip = dead.rows.front()->remote.ip_text();
  Recommendation& cure = finding.recommendation;
  cure.steps.push_back(
      fmt::format("does anything come back: {}ip route get {}; {}tcpdump -ni any host {}", ns, ip, ns, ip));
  if (dead.closed) {
    cure.kind = RecommendationKind::peer;
    cure.text =
        fmt::format("See what became of {} or of the way there. The program has closed; the kernel gives up by itself.",
                    dead.peers);
    cure.steps.push_back(
        "in the program that closed them: SO_LINGER or TCP_USER_TIMEOUT before close() gives up sooner");
    if (auto retries = sysctl_value(now, dead.scope.netns, kOrphanRetries)) {
      cure.steps.push_back(
          fmt::format("policy of the host, if such are many: {} ({} now, 0 acts as 8) lets closed "
                      "connections go sooner, those of slow peers, too",
                      kOrphanRetries, *retries));
    }
  } else {
    cure.kind = RecommendationKind::application;
    cure.text = fmt::format(
        "See what became of {}, and what lies on the way. In {}: end a connection that is not answered, instead of "
        "waiting until the kernel does.",
        dead.peers, process_text(dead.scope));
    cure.steps.push_back(
        "in this program: a time-out for writes, or setsockopt TCP_USER_TIMEOUT (30 s, say): the connection then ends "
        "with "
        "ETIMEDOUT");
    cure.steps.push_back(
        "in its protocol: a heartbeat that must be answered, so that a dead peer is seen when idle, too");
    if (auto retries = sysctl_value(now, dead.scope.netns, kRetries); retries && *retries >= 0) {
      cure.steps.push_back(fmt::format(
          "only as policy for all of the host: {} ({} now, about {}; 8 is about {}); no connection then survives a "
          "longer outage",
          kRetries, *retries, seconds_text(std::round(patience_s(to_u64(*retries)))),
          seconds_text(std::round(patience_s(8)))));
    }
  }
  cure.verify =
      "tcpadvisor report --only send-queue-dead-peers: none is left, or they end sooner (TcpExtTCPAbortOnTimeout)";
}

Finding finding_for(const Evidence& in, const Dead& dead) {
  Finding finding;
  finding.id = "send-queue-dead-peers";
  finding.topic = dead.closed ? "closed" : "";
  finding.finding_class =
      dead.answering > 0 || !dead.ends_here.empty() ? FindingClass::network_path : FindingClass::peer;
  finding.scope = dead.scope;
  finding.severity = is_much(in, dead) ? Severity::warning : Severity::info;
  const std::string sockets = counted(dead.rows.size(), "connection");
  if (dead.closed) {
    finding.title = fmt::format("{} {} not answer: {} wait in {} that the program has closed", dead.peers,
                                dead.rows.size() == 1 ? "does" : "do", human_bytes(dead.waiting), sockets);
  } else {
    finding.title = fmt::format("Nobody acknowledges what {} sends on {} to {}: {} wait", process_text(dead.scope),
                                sockets, dead.peers, human_bytes(dead.waiting));
  }
  finding.confidence_why =
      fmt::format("up to {} time-outs in a row, and nothing came from {} for {}", dead.tries,
                  dead.rows.size() == 1 ? "the peer's kernel" : "the peers' kernels", seconds_text(dead.silent_s));
  if (dead.limited > 0) {
    finding.confidence_why += fmt::format("; on {} the program has set how long it waits (TCP_USER_TIMEOUT)",
                                          dead.limited == dead.rows.size() ? "all" : with_commas(dead.limited));
  }
  add_evidence(in, dead, finding);
  finding.meaning = meaning_of(dead);
  say_cure(in, dead, finding);
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, SO_SNDBUF", "a larger buffer holds more of what nobody takes"},
      {"net.ipv4.tcp_keepalive_*", "sends nothing while data waits for its acknowledgement"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  if (std::string problem = snapshot_problem(in.now()); !problem.empty()) return Outcome::unknown(problem);
  if (in.window.samples() < 2) return Outcome::unknown(too_few_samples(in.window, 2));
  const Found found = dead_peers(in);
  std::vector<Finding> findings;
  findings.reserve(found.groups.size());
  for (const Dead& dead : found.groups) findings.push_back(finding_for(in, dead));
  std::string not_assessed;
  if (found.blind > 0) {
    not_assessed = fmt::format("{} sent again what waits, but {} does not show how often",
                               counted(found.blind, "socket"), source_of(in.now(), FactId::snapshot));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "connections whose data nobody acknowledges",
                     fmt::format("0 of {} that send", with_commas(found.watched)));
}

constexpr std::array kThresholds = {kTries,       kSilentFor, kMinCount,    kShare,
                                    kPartAtLeast, kPart,      kMemoryShare, kOrphanShare};
constexpr std::array<std::string_view, 3> kReferences = {
    "RFC 9293 section 3.8.3 (R1 and R2)", "RFC 5482 (user timeout)", "net/ipv4/tcp_timer.c: tcp_write_timeout"};
constexpr std::array kExplainedBy = {
    ExplainedBy{"mtu-blackhole", Link::same_flow, Then::lower,
                "small segments get through on that path, and only full ones are lost"},
};

}  // namespace
}  // namespace dead_peers_rule

namespace rules {

extern const Rule send_queue_dead_peers = {
    .id = "send-queue-dead-peers",
    .title = "nobody acknowledges what a process sends",
    .explanation =
        "Data waits in Send-Q, the kernel sends it again at ever longer intervals, and nothing comes back: the peer "
        "has "
        "vanished, a cable is pulled, or a firewall drops it. The program sees no error until the kernel gives up, a "
        "quarter of an hour later by default.",
    .thresholds = dead_peers_rule::kThresholds,
    .references = dead_peers_rule::kReferences,
    .explained_by = dead_peers_rule::kExplainedBy,
    .covers = {.each = EachOf::senders},
    .judge = dead_peers_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
