// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/attempts.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/port_share.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace connects_fail_rule {
namespace {

constexpr Threshold kMinFailures = count_threshold("min_failures", 5, "attempts").clears_at(0.5);
constexpr Threshold kWaitsFor = time_threshold("waits_for", 3);  // two SYNs, at 0 s and 1 s, are without an answer
constexpr double kMostly = 0.5;
constexpr Threshold kCancelled = time_threshold("cancelled", 0.5);  // given up sooner: the program took another way

/// What is said of attempts that fail in one way. {to}: the destination, {port}: its port, {t}: how long the last one
/// waited, {ns}: how to get into the namespace.
struct Answer {
  std::string_view topic, how, meaning, cure, step, verify, useless, why_useless;
  FindingClass blame;
  RecommendationKind kind;
};

constexpr Answer kRefused = {
    "refused",
    "refused",
    "The other host answers, with a reset: nothing listens at {to}, or a firewall there rejects it.",
    "Start what should listen at {to}, or correct the address or port that the program uses.",
    "on the host of {to}: ss -ltn 'sport = :{port}'",
    "{ns}ss -tn dst {to} shows connections",
    "net.ipv4.tcp_syn_retries",
    "the first SYN is answered, nothing is sent again",
    FindingClass::peer,
    RecommendationKind::peer};
constexpr Answer kRefusedHere = {
    "refused",
    "refused",
    "Nothing listens at {to}, which is an address of this host.",
    "Start what should listen at {to}, or correct the address or port that the program uses.",
    "{ns}ss -ltn 'sport = :{port}'",
    "{ns}ss -ltn 'sport = :{port}' shows a listener",
    "net.ipv4.tcp_syn_retries",
    "the first SYN is answered, nothing is sent again",
    FindingClass::application,
    RecommendationKind::application};
constexpr Answer kOtherFamilyHere = {
    "refused",
    "refused",
    "{to} is an address of this host. A program listens on this port by {other} only, so the other kind of address is "
    "refused: \"localhost\" is ::1 and 127.0.0.1.",
    "Let the program listen on both (bind to [::] without IPV6_V6ONLY takes both), or connect to it by {other}.",
    "{ns}ss -ltnp 'sport = :{port}'; getent ahosts localhost",
    "{ns}ss -ltn 'sport = :{port}' shows both, or no attempt goes to {to} any more",
    "net.ipv4.tcp_syn_retries",
    "the first SYN is answered, nothing is sent again",
    FindingClass::application,
    RecommendationKind::application};
constexpr Answer kOtherAddressHere = {
    "refused",
    "refused",
    "{to} is an address of this host, and nothing listens there; {who} listens on this port at {where}.",
    "Connect to {where}, or let {who} listen at {ip} as well (0.0.0.0 and [::] take every address).",
    "{ns}ss -ltnp 'sport = :{port}'",
    "{ns}ss -ltn 'sport = :{port}' shows {ip}, or no attempt goes to {to} any more",
    "net.ipv4.tcp_syn_retries",
    "the first SYN is answered, nothing is sent again",
    FindingClass::application,
    RecommendationKind::application};
constexpr Answer kBlackHole = {
    "no-answer",
    "without any answer",
    "No SYN to {to} is answered, not even with a refusal: a firewall drops them, the route leads nowhere, the host is "
    "down, or its accept queue is full.",
    "Find out where the SYNs to {to} are lost: a firewall or security group on the way, the route, or the host itself.",
    "{ns}tcpdump -ni any 'tcp port {port}' here and there: which SYN arrives where; then {ns}tracepath {ip}",
    "{ns}ss -tn state syn-sent dst {to} shows nothing for long",
    "net.ipv4.tcp_syn_retries (more)",
    "the program only waits longer; fewer make it notice sooner, and connect no more often",
    FindingClass::network_path,
    RecommendationKind::peer};
constexpr Answer kUnreachable = {
    "unreachable",
    "unreachable",
    "The network says that {to} cannot be reached: there is no route, the neighbour does not answer, or a router "
    "sends ICMP unreachable.",
    "Correct the route to {to}, or the address.",
    "{ns}ip route get {ip}; {ns}ip neigh show",
    "{ns}ip route get {ip} names a way that works",
    "net.ipv4.tcp_syn_retries",
    "the error is an answer; sending again changes nothing",
    FindingClass::network_path,
    RecommendationKind::peer};
constexpr Answer kGivenUp = {
    "given-up",
    "given up by the program after {t}",
    "The program's own time-out of about {t} ends each attempt; until then no SYN was answered. No error is counted "
    "anywhere: the kernel would have gone on for longer.",
    "Find out why {to} does not answer within {t}: SYNs dropped by a firewall, a wrong route, a host that is down or "
    "overloaded. A longer time-out helps only if the way really takes that long.",
    "{ns}tcpdump -ni any 'tcp port {port}': does a SYN-ACK come back, and when",
    "{ns}ss -tn dst {to} shows established connections",
    "net.ipv4.tcp_syn_retries",
    "the program gives up before the kernel does",
    FindingClass::network_path,
    RecommendationKind::peer};
constexpr Answer kNoPort = {
    "no-port",
    "turned away for want of a local port",
    "connect() fails with EADDRNOTAVAIL although the range of ports is not used up towards {to}: the program binds "
    "its port or address before, and that one is taken, or the source address has gone.",
    "Let the kernel choose the port: no bind() before connect(), or bind() with IP_BIND_ADDRESS_NO_PORT.",
    "{ns}ss -tan dst {to}: which local ports are in use",
    "connect() no longer fails with EADDRNOTAVAIL",
    "net.ipv4.ip_local_port_range (wider)",
    "ports of the range are free; the program asks for one that is not",
    FindingClass::application,
    RecommendationKind::application};
constexpr Answer kForbidden = {
    "forbidden",
    "refused by this host itself",
    "connect() is refused before anything is sent: a prohibit or blackhole route, a security module, or a filter of a "
    "cgroup.",
    "Find the rule on this host that forbids {to}.",
    "{ns}ip route get {ip}; {ns}ip rule; bpftool cgroup tree",
    "connect() no longer fails with EACCES, EPERM or EINVAL",
    "net.ipv4.tcp_syn_retries",
    "no SYN is sent",
    FindingClass::kernel_config,
    RecommendationKind::application};
constexpr Answer kQueueFull = {
    "listener-full",
    "because the listener's queue is full",
    "The listener at {to} is on this host, and its accept queue is full: the kernel drops SYNs until the program takes "
    "connections with accept().",
    "Fix the program that listens at {to}: it does not accept, or accepts too slowly.",
    "{lns}ss -ltn 'sport = :{port}': Recv-Q against Send-Q",
    "{lns}ss -ltn 'sport = :{port}': Recv-Q well below Send-Q",
    "net.ipv4.tcp_syn_retries",
    "SYNs are dropped as long as the queue is full",
    FindingClass::application,
    RecommendationKind::application};

constexpr Answer kQueueOverflows = {
    "listener-overflows",
    "because the listener's queue is full at times",
    "The listener at {to} is on this host; its accept queue overflowed meanwhile, and a SYN that comes then is "
    "dropped.",
    "Look at the program that listens at {to}: in bursts it does not accept fast enough for its backlog.",
    "{lns}ss -ltn 'sport = :{port}'; {lns}nstat -az TcpExtListenOverflows",
    "TcpExtListenOverflows stands still in the next burst",
    "net.ipv4.tcp_syn_retries",
    "the program gives up before the kernel does, or would only wait for longer",
    FindingClass::application,
    RecommendationKind::application};

/// Connections found no place in the queue of a listener in its namespace, and this one refused some.
bool listener_overflows(const Evidence& in, const Attempts& attempts) {
  if (attempts.listener == nullptr) return false;
  auto drops = in.window.socket_series(*attempts.listener, [](const PastRow& row) {
    return row.drops ? std::optional<double>(*row.drops) : std::nullopt;
  });
  return drops.size() > 1 && drops.last() > drops.first() &&
         in.window.increase(attempts.listener->netns, "TcpExt.ListenOverflows").value_or(0) > 0;
}

/// An address of this host, as far as one can tell without asking for it.
bool is_here(const Evidence& in, const Attempts& attempts) {
  if (attempts.destination.is_loopback()) return true;
  return std::ranges::any_of(in.now().sockets, [&](const SocketRow& row) {
    return row.netns == attempts.netns && row.local.ip == attempts.destination.ip &&
           row.local.v6 == attempts.destination.v6 && !row.local.is_unspecified();
  });
}

/// Nobody listens at this address, but somebody does at the same port by the other of IPv4 and IPv6.
bool listens_otherwise(const Evidence& in, const Attempts& attempts) {
  return std::ranges::any_of(
      in.window.connections().listeners(attempts.netns, attempts.destination.port), [&](const SocketRow* row) {
        return row->local.v6 != attempts.destination.v6 && (row->local.is_loopback() || row->local.is_unspecified());
      });
}

/// One that listens at the same port at another address of the same kind; null if none does.
const SocketRow* listens_elsewhere(const Evidence& in, const Attempts& attempts) {
  const Endpoint& to = attempts.destination;
  for (const SocketRow* row : in.window.connections().listeners(attempts.netns, to.port)) {
    if (row->local.v6 == to.v6 && !row->local.is_unspecified() && row->local.ip != to.ip) return row;
  }
  return nullptr;
}

const Answer& answer_to(const Evidence& in, const Attempts& attempts) {
  ConnectEnd end = attempts.main_end();
  bool no_answer = end == ConnectEnd::timed_out || end == ConnectEnd::given_up;
  if (no_answer && attempts.listener_is_full()) return kQueueFull;
  if (no_answer && listener_overflows(in, attempts)) return kQueueOverflows;
  switch (end) {
    case ConnectEnd::refused:
      if (!is_here(in, attempts)) return kRefused;
      if (listens_otherwise(in, attempts)) return kOtherFamilyHere;
      return listens_elsewhere(in, attempts) != nullptr ? kOtherAddressHere : kRefusedHere;
    case ConnectEnd::timed_out:
      return kBlackHole;
    case ConnectEnd::unreachable:
      return kUnreachable;
    case ConnectEnd::given_up:
      return kGivenUp;
    case ConnectEnd::no_port:
      return kNoPort;
    case ConnectEnd::other:
      break;
  }
  return kForbidden;
}

std::string filled(std::string_view text, const Evidence& in, const Attempts& attempts) {
  std::uint64_t waited_ms = attempts.waited_ms[static_cast<std::size_t>(attempts.main_end())];
  NetnsId listens_in = attempts.listener == nullptr ? attempts.netns : attempts.listener->netns;
  const SocketRow* elsewhere = listens_elsewhere(in, attempts);
  const std::string where = elsewhere == nullptr ? "" : elsewhere->local.text();
  const std::string who = elsewhere == nullptr || !elsewhere->owner
                              ? "a program"
                              : fmt::format("{}[{}]", elsewhere->owner->comm, elsewhere->owner->pid);
  return fmt::format(
      fmt::runtime(text), fmt::arg("to", attempts.destination.text()), fmt::arg("ip", attempts.destination.ip_text()),
      fmt::arg("port", attempts.destination.port), fmt::arg("other", attempts.destination.v6 ? "IPv4" : "IPv6"),
      fmt::arg("t", human_duration(milliseconds_sat(waited_ms))), fmt::arg("ns", in_netns(in.now(), attempts.netns)),
      fmt::arg("lns", in_netns(in.now(), listens_in)), fmt::arg("where", where), fmt::arg("who", who));
}

/// Somebody here has connections by IPv4 to the same port.
bool connects_by_ipv4(const Evidence& in, const Attempts& attempts) {
  auto same_port = [&](NetnsId netns, const Endpoint& remote) {
    return netns == attempts.netns && !remote.v6 && remote.port == attempts.destination.port;
  };
  auto arrived = [&](const PortTotals& port) {
    if (port.netns != attempts.netns || port.port != attempts.destination.port) return false;
    return port.sockets[index_of(TcpState::time_wait)] > 0 || port.sockets[index_of(TcpState::established)] > 0;
  };
  return std::ranges::any_of(in.now().port_use,
                             [&](const PortUse& use) { return same_port(use.netns, use.destination); }) ||
         (is_here(in, attempts) && std::ranges::any_of(in.now().ports, arrived)) ||
         std::ranges::any_of(in.now().sockets, [&](const SocketRow& row) {
           return row.state != TcpState::syn_sent && same_port(row.netns, row.remote);
         });
}

/// As many attempts of this namespace come about as fail here, about.
bool as_many_succeed(const Evidence& in, const Attempts& attempts) {
  auto begun = in.window.increase(attempts.netns, "Tcp.ActiveOpens");
  auto failed = in.window.increase(attempts.netns, "Tcp.AttemptFails");
  return begun && failed && *begun - *failed >= kMostly * static_cast<double>(attempts.failures());
}

/// A program that tries IPv6 first goes on with IPv4, where this host has no way into the IPv6 world, or where the
/// server listens by IPv4 alone. One that only tries IPv6 fails for good, whoever else connects.
bool is_first_of_two(const Evidence& in, const Attempts& attempts) {
  const ConnectEnd end = attempts.main_end();
  if (!attempts.destination.v6 || attempts.waiting > 0 || !connects_by_ipv4(in, attempts)) return false;
  if (end == ConnectEnd::unreachable) return attempts.waited_ms[static_cast<std::size_t>(end)] == 0;
  return end == ConnectEnd::refused && as_many_succeed(in, attempts);
}

Finding finding_for(const Evidence& in, const Attempts& attempts) {
  const Window& window = in.window;
  const Answer& answer = answer_to(in, attempts);
  auto fill = [&](std::string_view text) { return filled(text, in, attempts); };
  Finding finding;
  finding.id = "connects-fail";
  finding.topic = answer.topic;
  bool often = attempts.failures() >= to_u64(in.policy.value(kMinFailures)) ||
               attempts.waiting >= to_u64(in.policy.value(kMinFailures));
  finding.severity = often && !is_first_of_two(in, attempts) ? Severity::warning : Severity::info;
  finding.finding_class = answer.blame;
  finding.scope.kind = attempts.pids.size() == 1 ? ScopeKind::process : ScopeKind::connection_group;
  finding.scope.netns = attempts.netns;
  finding.scope.netns_name = netns_name(in.now(), attempts.netns);
  if (attempts.pids.size() == 1) finding.scope.pid = attempts.pids.front();
  finding.scope.comm = attempts.comm;
  finding.scope.remote = attempts.destination.text();
  finding.scope.count = add_sat(attempts.failures(), attempts.waiting);
  std::uint64_t failures = attempts.failures();
  finding.title = failures > 0
                      ? fmt::format("{} cannot connect to {}: {} {}", attempts.who(), finding.scope.remote,
                                    counted(failures, "attempt"), fill(answer.how))
                      : fmt::format("{} cannot connect to {}: {} for {}, {}", attempts.who(), finding.scope.remote,
                                    counted(attempts.waiting, attempts.waiting == 1 ? "attempt waits" : "attempt"),
                                    human_duration(milliseconds_sat(attempts.oldest_ms)), fill(answer.how));
  bool hooked = in.now().source(FactId::connects) == SourceKind::hook;
  finding.confidence = hooked || failures == 0 ? Confidence::high : Confidence::medium;
  finding.confidence_why =
      failures > 0 ? "the kernel's own reason at the end of each attempt" : "the state is seen, and how long it lasts";
  if (is_first_of_two(in, attempts))
    finding.confidence_why += "; a program that tries IPv6 first goes on with IPv4, and nothing is lost";
  std::string source = source_of(in.now(), FactId::connects);
  if (failures > 0) {
    finding.evidence.push_back(measured(window, "failed_connects", source, static_cast<double>(failures), "attempts",
                                        in.policy.value(kMinFailures)));
  }
  auto end = static_cast<std::size_t>(attempts.main_end());
  if (failures > 0 && attempts.waited_ms[end] > 0) {
    finding.evidence.push_back(
        measured(window, "waited_for", source, static_cast<double>(attempts.waited_ms[end]) / 1000, "s"));
  }
  if (attempts.waiting > 0) {
    finding.evidence.push_back(measured(window, "waiting_in_syn_sent", source_of(in.now(), FactId::snapshot),
                                        static_cast<double>(attempts.waiting), "sockets"));
    finding.evidence.push_back(measured(window, "longest_wait", source_of(in.now(), FactId::snapshot),
                                        static_cast<double>(attempts.oldest_ms) / 1000, "s",
                                        in.policy.value(kWaitsFor)));
  }
  if (attempts.listener_is_full()) {
    finding.evidence.push_back(measured(window, "accept_queue", source_of(in.now(), FactId::snapshot),
                                        *attempts.listener->accept_queue, "connections",
                                        *attempts.listener->accept_limit));
  }
  finding.meaning = fill(answer.meaning);
  finding.recommendation.kind = answer.kind;
  finding.recommendation.text = fill(answer.cure);
  finding.recommendation.steps.push_back(fill(answer.step));
  finding.recommendation.verify = fill(answer.verify);
  finding.not_useful = {{std::string(answer.useless), fill(answer.why_useless)}};
  return finding;
}

/// The rule about ports tells about those.
bool told_by_ports(const std::vector<PortShare>& shares, const Attempts& attempts) {
  return attempts.main_end() == ConnectEnd::no_port && std::ranges::any_of(shares, [&](const PortShare& one) {
           return one.use->netns == attempts.netns && one.use->destination == attempts.destination &&
                  one.in_use >= kPortShare.initial;
         });
}

/// Without hooks only the namespace's counter knows of attempts that have ended.
void add_unseen(const Evidence& in, std::vector<Finding>& findings) {
  for (const NetnsSample& netns : in.now().netns) {
    double failed = in.window.increase(netns.id, "Tcp.AttemptFails").value_or(0);
    if (failed < in.policy.value(kMinFailures)) continue;
    Finding finding;
    finding.id = "connects-fail";
    finding.topic = "unseen";
    finding.severity = Severity::info;
    finding.confidence = Confidence::low;
    finding.confidence_why = "a counter of the namespace, which also counts handshakes that others began";
    finding.finding_class = FindingClass::network_path;
    finding.scope.kind = ScopeKind::netns;
    finding.scope.netns = netns.id;
    finding.scope.netns_name = netns_name(in.now(), netns.id);
    finding.scope.count = to_u64(failed);
    finding.title = fmt::format("{} to connect failed; whose, and how, is not seen without hooks",
                                counted(to_u64(failed), "attempt"));
    finding.evidence.push_back(
        measured(in.window, "attempts_failed", "Tcp.AttemptFails", failed, "attempts", in.policy.value(kMinFailures)));
    finding.meaning = "Refused, unanswered, or given up: the counter does not tell.";
    finding.recommendation.kind = RecommendationKind::application;
    finding.recommendation.text =
        "Run the advisor with hooks (root, or CAP_BPF and CAP_PERFMON) to see whose they are.";
    finding.recommendation.verify =
        fmt::format("{}nstat -az TcpAttemptFails no longer grows", in_netns(in.now(), netns.id));
    finding.not_useful = {{"net.ipv4.tcp_syn_retries", "it does not make the other side answer"}};
    findings.push_back(std::move(finding));
  }
}

Outcome judge_connects_fail(const Evidence& in) {
  const Sample& now = in.now();
  const FactCoverage* fact = now.fact(FactId::connects);
  bool hooked = now.source(FactId::connects) == SourceKind::hook;
  std::string not_assessed = snapshot_problem(now);
  if (not_assessed.empty() && !hooked) {
    not_assessed = fmt::format("attempts that have ended are not seen: {}",
                               fact == nullptr || fact->remark.empty() ? "no hook sees them" : fact->remark);
  }
  auto lost = now.self.lost.find("failed_connects");
  if (not_assessed.empty() && lost != now.self.lost.end() && lost->second > 0) {
    not_assessed = fmt::format("{} not counted: the table was full",
                               counted(lost->second, "failed attempt") + (lost->second == 1 ? " was" : " were"));
  }
  auto ms = [&](const Threshold& threshold) { return to_u64(in.policy.value(threshold) * 1000); };
  const std::vector<PortShare> shares = port_shares(now);
  std::vector<Finding> findings;
  std::uint64_t most = 0;
  bool told_elsewhere = false;
  for (const Attempts& attempts : attempts_of(in.window, ms(kWaitsFor), ms(kCancelled))) {
    most = std::max(most, attempts.failures());
    bool few = attempts.failures() < to_u64(in.policy.value(kMinFailures)) && attempts.waiting == 0;
    if (few) continue;
    if (told_by_ports(shares, attempts)) {
      told_elsewhere = true;
    } else {
      findings.push_back(finding_for(in, attempts));
    }
  }
  if (!hooked) add_unseen(in, findings);
  if (told_elsewhere && findings.empty() && not_assessed.empty()) return {};  // not fine, and no second finding
  return Outcome::of(std::move(findings), std::move(not_assessed),
                     "failed attempts to connect, of one program to one destination", with_commas(most));
}

constexpr std::array kThresholds = {kMinFailures, kWaitsFor, kCancelled};
constexpr std::array<std::string_view, 2> kReferences = {"connect(2)",
                                                         "net/ipv4/tcp_input.c: tcp_rcv_synsent_state_process"};
constexpr std::string_view kQueueIsFull = "the listener at the other end is on this host: {who}, finding {rule}";
constexpr std::array kExplainedBy = {
    ExplainedBy{"accept-queue-app-slow", Link::listener_at_remote, Then::lower, kQueueIsFull},
    ExplainedBy{"listener-never-accepts", Link::listener_at_remote, Then::lower, kQueueIsFull},
    ExplainedBy{"close-wait-unaccepted", Link::listener_at_remote, Then::lower, kQueueIsFull},
    ExplainedBy{"backlog-too-small", Link::listener_at_remote, Then::lower, kQueueIsFull},
    ExplainedBy{"syn-drops-not-overflow", Link::listener_at_remote, Then::lower, kQueueIsFull},
};

}  // namespace
}  // namespace connects_fail_rule

namespace rules {

extern const Rule connects_fail = {
    .id = "connects-fail",
    .title = "a process cannot connect",
    .explanation =
        "connect() fails, again and again, in one of several ways that call for different cures: refused (a reset "
        "comes back), no answer at all, unreachable (no route, or ICMP says so), given up by the program before the "
        "kernel would, no local port, or the accept queue of a listener on this host is full.",
    .thresholds = connects_fail_rule::kThresholds,
    .references = connects_fail_rule::kReferences,
    .explained_by = connects_fail_rule::kExplainedBy,
    .covers = {.each = EachOf::what_waits},
    .judge = connects_fail_rule::judge_connects_fail,
};

}  // namespace rules
}  // namespace tcpadvisor
