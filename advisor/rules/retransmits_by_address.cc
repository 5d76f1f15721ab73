// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/retransmits_by_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/attempts.h"
#include "advisor/rules/dropped.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr double kManySyns = 0.1;        // of the attempts of the namespace: connecting is slow
constexpr double kSomeSyns = 0.01;       // fewer are no topic
constexpr double kSilentTimeouts = 1.5;  // time-outs for each probe: one in a row after the other, none is answered
constexpr double kOfFirstHalf = 0.25;    // of the time-outs
constexpr double kManyTimeouts = 3;      // times min_retransmits: more than those of one client that has vanished
constexpr double kDroppedHere = 0.5;     // of what was sent again: that is why
constexpr std::uint32_t kInARow = 3;
constexpr std::uint64_t kAttemptsTold = 5;

enum class Topic : std::uint8_t { black_hole, syn, syn_ack, local };
constexpr std::array<std::string_view, 4> kTopics = {"black-hole", "syn-not-answered", "syn-ack-not-answered",
                                                     "local-drop"};

/// What the rows say about an address.
struct Seen {
  bool here = false;     ///< another namespace of this host has it
  bool goes_on = false;  ///< something of one of its connections was acknowledged meanwhile
  bool stuck = false;    ///< one times out again and again: rules about single connections speak of it
};
using Address = std::pair<NetnsId, Endpoint>;

Endpoint without_port(Endpoint end) {
  end.port = 0;
  return end;
}

std::map<Address, Seen> seen_of(const Evidence& in, const Past& past, const std::vector<SentAgain>& all) {
  std::map<Address, Seen> out;
  for (const SentAgain& one : all) out[{one.netns, one.destination}] = {};
  std::set<Endpoint> here;
  for (const SocketRow& row : in.now().sockets) {
    here.insert(without_port(row.local));
    if (row.kind != SocketKind::full || row.state == TcpState::listen) continue;
    auto found = out.find({row.netns, without_port(row.remote)});
    if (found == out.end()) continue;
    Series acked = past.socket_series(row, [](const PastRow& then) -> std::optional<double> {
      return then.bytes_acked ? std::optional<double>(static_cast<double>(*then.bytes_acked)) : std::nullopt;
    });
    found->second.goes_on = found->second.goes_on || acked.increase() > 1;  // the handshake counts as one
    found->second.stuck = found->second.stuck || (row.backoff.value_or(0) >= kInARow && row.send_q > 0);
  }
  for (auto& [address, seen] : out) seen.here = here.contains(address.second);
  return out;
}

/// connects-fail speaks of it.
std::set<Address> failing(const Evidence& in) {
  std::set<Address> out;
  for (const Attempts& attempts : attempts_of(in.window, 3'000, 500)) {
    if (attempts.waiting > 0 || attempts.failures() >= kAttemptsTold)
      out.emplace(attempts.netns, without_port(attempts.destination));
  }
  return out;
}

/// An accept queue, or a table of the kernel, is full: a SYN is dropped, or the last step of a handshake waits, and the
/// rules about listeners say so.
bool handshakes_wait_here(const Past& past, NetnsId netns) {
  return std::ranges::any_of(
      std::array{"TcpExt.ListenOverflows", "TcpExt.ListenDrops", "TcpExt.TCPReqQFullDrop",
                 "TcpExt.TCPReqQFullDoCookies", "TcpExt.TCPDeferAcceptDrop", "TcpExt.SyncookiesSent"},
      [&](const char* name) { return past.increase(netns, name).value_or(0) > 0; });
}

struct Judge {
  const Evidence& in;
  const Past& past;
  std::map<Address, Seen> seen;
  std::set<Address> failing;
  DroppedList dropped;

  DroppedList dropped_of(const SentAgain& one) const {
    return dropped_between(dropped, one.netns, one.destination, {});
  }

  std::optional<Topic> topic_of(const SentAgain& one) const {
    const RetransmitCounts& counts = one.counts;
    const double least = in.policy.value(kMinRetransmits);
    const auto found = seen.find({one.netns, one.destination});
    const Seen here = found == seen.end() ? Seen{} : found->second;
    const auto total = static_cast<double>(counts.total());
    if (total >= least && static_cast<double>(segments_of(dropped_of(one))) >= kDroppedHere * total)
      return Topic::local;
    // After a time-out nothing was ever acknowledged. Small segments may still have told of the loss of large ones.
    const bool in_vain = counts.after_timeout == 0 && counts.other == 0 && in.now().rows_suppressed == 0;
    if (static_cast<double>(counts.timeout) >= least && in_vain && !here.goes_on && !here.stuck &&
        static_cast<double>(counts.timeout) >= kSilentTimeouts * static_cast<double>(counts.tail_probe) && lasts(one))
      return Topic::black_hole;
    if (static_cast<double>(counts.syn) >= least && !failing.contains({one.netns, one.destination}) &&
        share_of_attempts(one) >= kSomeSyns && !syns_dropped_here(one.netns, here))
      return Topic::syn;
    const double accepted = past.increase(one.netns, "Tcp.PassiveOpens").value_or(0);
    if (static_cast<double>(counts.syn_ack) >= std::max(least, kSomeSyns * accepted) &&
        !handshakes_wait_here(past, one.netns))
      return Topic::syn_ack;
    return std::nullopt;
  }

  /// Not only just now: of connections that live for longer, those that time out in a row are seen by now.
  bool lasts(const SentAgain& one) const {
    const Past first_half(past, 0, past.samples() / 2);
    const Retransmits key{.netns = one.netns, .destination = one.destination, .segments = {}, .last_ms_ago = 0};
    return static_cast<double>(first_half.increase(key).timeout) >=
           kOfFirstHalf * static_cast<double>(one.counts.timeout);
  }

  /// By a listener of this host, or by its table of tracked connections: rules of their own say so.
  bool syns_dropped_here(NetnsId netns, const Seen& peer) const {
    return (peer.here && past.increase("TcpExt.ListenDrops").value_or(0) > 0) ||
           past.increase(netns, "Conntrack.drop").value_or(0) > 0;
  }

  double share_of_attempts(const SentAgain& one) const {
    const double begun = past.increase(one.netns, "Tcp.ActiveOpens").value_or(0);
    return static_cast<double>(one.counts.syn) / std::max(1.0, begun);
  }
};

struct Peers {
  Topic topic = Topic::black_hole;
  NetnsId netns = 0;
  RetransmitCounts counts;
  std::vector<std::string> addresses;
  double share = 0;  ///< of the attempts of the namespace
  DroppedList dropped;
};

std::string peers_of(const Peers& group) {
  return group.addresses.size() == 1 ? group.addresses.front() : most_frequent(group.addresses);
}

void say_black_hole(const Peers& group, const std::string& ns, Finding& finding) {
  finding.title = fmt::format("Nothing that is sent again to {} is acknowledged: {} time-outs", peers_of(group),
                              with_commas(group.counts.timeout));
  finding.confidence_why =
      "no acknowledgement told of a loss, and no connection there that can be seen has got on; peers that vanish one "
      "by "
      "one look the same";
  finding.meaning =
      "The handshakes pass, and what is sent then never arrives: it is sent again each time the timer runs out, and "
      "always in vain. The programs give their connections up before the kernel would. Either the way there is gone, "
      "or only "
      "small packets pass: a tunnel with a smaller MTU and without its ICMP messages (finding mtu-blackhole says so "
      "where a connection lives long enough).";
  finding.recommendation.text =
      fmt::format("See what becomes of packets to {}: first of large ones.", group.addresses.front());
  finding.recommendation.steps = {
      fmt::format("does a full packet pass, and a small one: {}ping -M do -s 1472 {}; the same with -s 100", ns,
                  group.addresses.front()),
      fmt::format("what comes back: {}tcpdump -ni any host {} or icmp", ns, group.addresses.front())};
  finding.recommendation.verify = "tcpadvisor report --only retrans-cc-qdisc; nstat -az TcpExtTCPTimeouts stands still";
  finding.not_useful = {{"net.ipv4.tcp_retries2", "says when to give up, not what gets lost"},
                        {"net.ipv4.tcp_wmem, SO_SNDBUF", "a larger buffer holds more of what does not arrive"}};
}

void say_syn(const Peers& group, const std::string& ns, Finding& finding) {
  finding.title = fmt::format("{} SYNs to {} were sent again: connecting takes a second longer, or more",
                              with_commas(group.counts.syn), peers_of(group));
  finding.confidence_why =
      "counted by the kernel for each SYN; whether a SYN or its answer was lost cannot be told at this end";
  finding.meaning =
      "The first SYN of a connection got no answer within a second. The attempts come about in the end, or the program "
      "goes elsewhere, so no error is counted. The path loses packets, or the listener there drops SYNs, as one does "
      "whose accept queue is full.";
  finding.recommendation.text = fmt::format(
      "Look at the listener on {}: does its accept queue overflow. If not, find where SYNs are lost on the way.",
      group.addresses.front());
  finding.recommendation.steps = {
      fmt::format("there: nstat -az TcpExtListenOverflows TcpExtListenDrops; ss -ltn: Recv-Q against Send-Q"),
      fmt::format("here: {}tcpdump -ni any 'host {} and tcp[tcpflags] & tcp-syn != 0'", ns, group.addresses.front())};
  finding.recommendation.verify = fmt::format("{}nstat -az TcpExtTCPSynRetrans stands still", ns);
  finding.not_useful = {
      {"net.ipv4.tcp_syn_retries", "says when to give up; the second SYN leaves after one second all the same"},
      {"net.ipv4.tcp_max_syn_backlog, net.core.somaxconn", "are about listeners of this host, not of that one"}};
}

void say_syn_ack(const Peers& group, const std::string& ns, Finding& finding) {
  finding.title = fmt::format("{} SYN-ACKs to {} were sent again: handshakes from there do not end",
                              with_commas(group.counts.syn_ack), peers_of(group));
  finding.confidence_why = "no queue of this host was full meanwhile; it may also be somebody who only sends SYNs";
  finding.meaning =
      "SYNs arrive, and what this host answers gets no acknowledgement: the answer takes another way that drops it (an "
      "asymmetric route, a firewall that has not seen the SYN), the path loses packets, or the sender of the SYNs does "
      "not want a connection (a scan, a false address).";
  finding.recommendation.text =
      fmt::format("See which way answers to {} take, and whether they arrive.", group.addresses.front());
  finding.recommendation.steps = {
      fmt::format("{}ip route get {}; is it the device that the SYNs come in by", ns, group.addresses.front()),
      fmt::format("{}tcpdump -ni any 'host {} and tcp[tcpflags] & tcp-syn != 0'", ns, group.addresses.front())};
  finding.recommendation.verify = fmt::format("{}nstat -az TcpExtTCPSynRetrans stands still", ns);
  finding.not_useful = {{"net.ipv4.tcp_synack_retries", "fewer only forget sooner that a client is waiting"},
                        {"net.ipv4.tcp_max_syn_backlog", "no queue was full"}};
}

void say_local(const Sample& now, const Peers& group, Finding& finding) {
  const Drops& most = *group.dropped.front().what;
  finding.title = fmt::format("{} segments to {} were sent again: this host drops them",
                              with_commas(group.counts.total()), peers_of(group));
  finding.confidence_why = "the kernel told of each packet, by its address, why and where it was dropped";
  finding.meaning = fmt::format("Dropped by {}. Nothing is wrong with the network, nor with the other end.",
                                places_words(now, group.netns, group.dropped));
  finding.recommendation.kind = RecommendationKind::capacity;
  finding.recommendation.text = fmt::format("Correct what drops them: {}.", place_words(most));
  finding.recommendation.steps = {step_to_see(most, in_netns(now, most.netns))};
  finding.recommendation.verify = "tcpadvisor report --only retrans-cc-qdisc";
  finding.not_useful = {{"net.ipv4.tcp_syn_retries, net.ipv4.tcp_retries2", "what is sent again is dropped again"},
                        {"net.ipv4.tcp_wmem, SO_SNDBUF", "a larger buffer holds more of what does not arrive"}};
}

Finding finding_for(const Evidence& in, const Past& past, const Peers& group) {
  const Sample& now = in.now();
  const std::string ns = in_netns(now, group.netns);
  Finding finding;
  finding.id = "retrans-cc-qdisc";
  finding.topic = kTopics[static_cast<std::size_t>(group.topic)];
  finding.severity = Severity::info;
  const bool many_timeouts =
      static_cast<double>(group.counts.timeout) >= kManyTimeouts * in.policy.value(kMinRetransmits);
  if ((group.topic == Topic::black_hole && many_timeouts) || (group.topic == Topic::syn && group.share >= kManySyns))
    finding.severity = Severity::warning;
  if (group.topic == Topic::local) finding.severity = Severity::warning;
  finding.finding_class = group.topic == Topic::local ? FindingClass::kernel_config : FindingClass::network_path;
  finding.confidence = group.topic == Topic::syn || group.topic == Topic::local ? Confidence::high : Confidence::medium;
  finding.scope.kind = ScopeKind::connection_group;
  finding.scope.netns = group.netns;
  finding.scope.netns_name = netns_name(now, group.netns);
  if (group.addresses.size() == 1) finding.scope.remote = group.addresses.front();
  finding.recommendation.kind = RecommendationKind::peer;
  add_kinds(in.window, past, group.counts, source_of(now, FactId::retransmits), finding);
  if (group.topic == Topic::syn) {
    finding.evidence.push_back(
        measured(in.window, "share_of_attempts", "Tcp.ActiveOpens", group.share, "ratio", kSomeSyns));
  }
  add_dropped(in.window, past, group.dropped, finding);
  switch (group.topic) {
    case Topic::local:
      say_local(now, group, finding);
      return finding;
    case Topic::black_hole:
      say_black_hole(group, ns, finding);
      break;
    case Topic::syn:
      say_syn(group, ns, finding);
      break;
    case Topic::syn_ack:
      say_syn_ack(group, ns, finding);
      break;
  }
  if (all_drops_counted(now) && group.dropped.empty())
    finding.meaning += " None of these packets was dropped on this host.";
  return finding;
}

}  // namespace

std::vector<Finding> retransmits_by_address(const Evidence& in, const Past& past, const std::vector<SentAgain>& all,
                                            const std::set<std::pair<NetnsId, std::string>>& told) {
  std::vector<Finding> findings;
  if (all.empty()) return findings;
  const Judge judge{.in = in,
                    .past = past,
                    .seen = seen_of(in, past, all),
                    .failing = failing(in),
                    .dropped = dropped(past, in.now())};
  std::map<std::pair<NetnsId, Topic>, Peers> groups;
  for (const SentAgain& one : all) {
    const std::string address = one.destination.ip_text();
    std::optional<Topic> topic = judge.topic_of(one);
    if (!topic || (*topic == Topic::black_hole && told.contains({one.netns, address}))) continue;
    Peers& group = groups[{one.netns, *topic}];
    group.topic = *topic;
    group.netns = one.netns;
    for (auto kind : kRetransmitKinds) group.counts.*kind = add_sat(group.counts.*kind, one.counts.*kind);
    group.addresses.push_back(address);
    group.share += judge.share_of_attempts(one);
    std::ranges::copy(judge.dropped_of(one), std::back_inserter(group.dropped));
  }
  findings.reserve(groups.size());
  for (const auto& [key, group] : groups) findings.push_back(finding_for(in, past, group));
  return findings;
}

}  // namespace tcpadvisor
