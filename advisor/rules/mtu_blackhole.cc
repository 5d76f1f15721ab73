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
#include "advisor/rules/flows.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace mtu_blackhole_rule {
namespace {

constexpr Threshold kMinBackoff = count_threshold("min_backoff", 3, "time-outs");  // in a row, without an answer
constexpr double kFullSize = 0.9;  // of the segment size: what is on its way is full segments
constexpr double kSmall = 0.5;     // of it: what has ever arrived was small
constexpr std::size_t kFewestLooks = 3;
constexpr double kLeastS = 10;
constexpr double kHeardLately = 0.5;  // of the time of the stall: acknowledgements still come
constexpr const char* kKnob = "net.ipv4.tcp_mtu_probing";

/// Full segments are sent again and again, and none was ever acknowledged.
struct Stuck {
  const SocketRow* row = nullptr;
  double for_s = 0;
  double largest = 0;        ///< bytes of a segment that has ever arrived, on average at most
  bool since_start = false;  ///< nothing but the handshake ever passed
  bool hears = false;        ///< the peer still answers on this very connection
};

std::optional<Stuck> stuck_of(const Evidence& in, const Past& past, const SocketRow& row) {
  if (row.kind != SocketKind::full || row.send_q == 0 || row.timer == Timer::persist) return std::nullopt;
  if (row.state != TcpState::established && row.state != TcpState::close_wait && row.state != TcpState::fin_wait_1)
    return std::nullopt;
  if (!row.backoff || *row.backoff < in.policy.value(kMinBackoff) || row.mss.value_or(0) == 0) return std::nullopt;
  if (!row.unacked_segs || *row.unacked_segs == 0 || !row.not_sent || !row.bytes_acked) return std::nullopt;
  // What is on its way is full segments: the path could not have been tried with less.
  const double mss = *row.mss, on_its_way = static_cast<double>(sub_sat(row.send_q, *row.not_sent));
  if (on_its_way < kFullSize * mss * *row.unacked_segs || row.snd_wnd.value_or(UINT32_MAX) < *row.mss)
    return std::nullopt;
  // No full segment has ever arrived: a path that once carried them has no black hole, its peer is gone.
  Stuck out{.row = &row};
  const double acked = static_cast<double>(*row.bytes_acked);
  const double delivered = row.delivered_segs.value_or(0);
  out.since_start = acked <= 1;  // the SYN
  if (!out.since_start) {
    if (delivered < 1) return std::nullopt;
    out.largest = acked / delivered;
    if (out.largest > kSmall * mss) return std::nullopt;
  }
  // Since when, as far as the looks go.
  const std::vector<const PastRow*> history = past.history(row);
  for (std::size_t i = history.size(); i-- > 0;) {
    if (history[i] == nullptr || !history[i]->bytes_acked || *history[i]->bytes_acked != *row.bytes_acked ||
        history[i]->send_q == 0)
      break;
    out.for_s = past.span_s() - past.seconds_at(i);
  }
  out.hears = row.last_ack_recv_ms && *row.last_ack_recv_ms < kHeardLately * out.for_s * 1000;
  return out;
}

/// Small segments of this connection got through in this time.
bool small_ones_pass(const Past& past, const SocketRow& row) {
  if (row.kind != SocketKind::full) return false;
  Progress progress = progress_of(past, row);
  const double acked = progress.acked.value_or(0), segments = progress.segs_out.value_or(0);
  return progress.received.value_or(0) > 0 || (acked > 0 && acked < kSmall * row.mss.value_or(0) * segments);
}

using Address = std::pair<NetnsId, std::string>;
Address address_of(const SocketRow& row) {
  return {row.netns, row.remote.ip_text()};
}

struct Group {
  const FlowGroup& flows;
  Stuck worst;
  const SocketRow* passes = nullptr;
  bool hears = false;
};

Finding finding_for(const Evidence& in, const Past& past, const Group& group) {
  const Sample& now = in.now();
  const SocketRow& row = *group.worst.row;
  const bool proven = group.passes != nullptr || group.hears;
  Finding finding;
  finding.id = "mtu-blackhole";
  finding.severity = proven ? Severity::warning : Severity::info;
  finding.finding_class = FindingClass::network_path;
  finding.scope = group.flows.scope;
  finding.title = fmt::format("Full segments of {} never reach {}, small ones do ({})", process_text(finding.scope),
                              peers_text(group.flows), counted(group.flows.rows.size(), "connection"));
  if (!proven) {
    finding.title = fmt::format("Nothing of {} has reached {} since the handshake", process_text(finding.scope),
                                peers_text(group.flows));
  }
  finding.confidence = proven ? Confidence::high : Confidence::low;
  finding.confidence_why =
      group.passes != nullptr
          ? fmt::format("in the same time {} got small segments through to that address", group.passes->local.text())
      : group.hears ? "the peer still answers on the same connection"
                    : "only the handshake passed; a peer that has died since, or a firewall, looks the same from here";
  std::string source = source_of(now, FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("timeouts_in_a_row", row.backoff.value_or(0), "count", in.policy.value(kMinBackoff));
  say("stuck_for", group.worst.for_s, "s");
  say("segment_size", row.mss.value_or(0), "bytes");
  if (!group.worst.since_start) say("acknowledged_per_segment", group.worst.largest, "bytes", kSmall * *row.mss);
  say("bytes_acked", static_cast<double>(row.bytes_acked.value_or(0)), "bytes");
  say("send_q", static_cast<double>(row.send_q), "bytes");
  if (row.pmtu) say("path_mtu_known", *row.pmtu, "bytes");
  if (auto told = past.increase(row.netns, "Icmp.InDestUnreachs")) {
    finding.evidence.push_back(measured(in.window, "icmp_unreachable_received", "Icmp.InDestUnreachs", *told, "count"));
  }
  finding.meaning = fmt::format(
      "{} packets of {} bytes do not fit, and whoever drops them does not say so, or its ICMP message does not come "
      "back. "
      "The kernel sends the same size again until it gives up.",
      proven ? "Somewhere on the path" : "It may be that", row.pmtu ? *row.pmtu : *row.mss + 52);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  cure.text =
      "Let ICMP \"fragmentation needed\" (IPv6: \"packet too big\") through on that path, or let its tunnel clamp the "
      "MSS.";
  cure.steps = {
      fmt::format("find the size that passes: ping -M do -s {} {}",
                  row.pmtu ? sub_sat<std::uint32_t>(*row.pmtu, 28) : 1472, row.remote.ip_text()),
      fmt::format("for that destination alone: ip route change {} … mtu lock 1280", row.remote.ip_text()),
  };
  auto probing = sysctl_value(now, row.netns, kKnob);
  if (proven && probing.value_or(1) == 0) {
    cure.kind = RecommendationKind::sysctl;
    cure.text += fmt::format(
        " On this host {} = 1 gets over it: after some time-outs the kernel tries smaller segments.", kKnob);
    Change change = Change::in(now, row.netns, kKnob);
    change.current = change.lower = {0};
    change.target = change.upper = {1};
    cure.change = std::move(change);
    cure.applicability = Applicability::needs_review;
    cure.formula =
        "1: only connections that time out again and again are probed; measured, such a connection goes on "
        "after 7 s instead of never";
  } else if (probing.value_or(0) > 0) {
    cure.steps.push_back(fmt::format("{} is {}: this host will try smaller segments by itself", kKnob, *probing));
  }
  cure.verify = "tcpadvisor report --only mtu-blackhole; nstat -az TcpExtTCPMTUPSuccess rises, ss -ti: no backoff";
  finding.not_useful = {
      {"net.ipv4.tcp_mtu_probing = 2", "begins every connection with small segments, also where the path is well"},
      {"net.ipv4.tcp_retries2", "the same segment is sent again more or less often, and never fits"},
      {"net.ipv4.ip_no_pmtu_disc", "does not make the packets smaller that the path drops"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = progress_problem(in, kFewestLooks); !problem.empty()) return Outcome::unknown(problem);
  const Past past = recent(in, kLeastS);
  FlowGroups groups;
  std::map<const SocketRow*, Stuck> found;
  std::map<Address, const SocketRow*> passes;  // by address of those that are stuck: another one that is not
  std::uint64_t looked = 0;
  for (const SocketRow& row : now.sockets) {
    looked += row.send_q > 0 ? 1 : 0;
    auto stuck = stuck_of(in, past, row);
    if (!stuck || stays_inside(in.window, row)) continue;
    found.emplace(&row, *stuck);
    passes[address_of(row)] = nullptr;
  }
  for (const SocketRow& row : now.sockets) {
    if (passes.empty()) break;
    auto same = passes.find(address_of(row));
    if (same != passes.end() && same->second == nullptr && !found.contains(&row) && small_ones_pass(past, row))
      same->second = &row;
  }
  for (const SocketRow& row : now.sockets) {
    auto stuck = found.find(&row);
    if (stuck == found.end()) continue;
    const bool proven = passes[address_of(row)] != nullptr || stuck->second.hears;
    // Without a sign of life the peer is gone, for all that we know.
    if (proven || stuck->second.since_start) groups.add(now, row, proven ? "proven" : "");
  }
  std::vector<Finding> findings;
  for (const FlowGroup& flows : groups.take()) {
    Group group{.flows = flows, .worst = {}};
    for (const SocketRow* row : flows.rows) {
      const Stuck& one = found[row];
      if (group.worst.row == nullptr || one.for_s > group.worst.for_s) group.worst = one;
      group.hears = group.hears || one.hears;
      if (group.passes == nullptr) group.passes = passes[address_of(*row)];
    }
    if (group.worst.row != nullptr) findings.push_back(finding_for(in, past, group));
  }
  return Outcome::of(std::move(findings), "", "connections whose full segments never arrive",
                     fmt::format("0 of {} that send", with_commas(looked)));
}

constexpr std::array kThresholds = {kMinBackoff};
constexpr std::array<std::string_view, 3> kReferences = {
    "RFC 4821 (path MTU discovery by TCP itself)", "RFC 2923 section 2.1 (black holes)", "ip-sysctl: tcp_mtu_probing"};

}  // namespace
}  // namespace mtu_blackhole_rule

namespace rules {

extern const Rule mtu_blackhole = {
    .id = "mtu-blackhole",
    .title = "full segments vanish on the path",
    .explanation =
        "A router or tunnel drops packets that are too large and nobody hears of it. The handshake and small messages "
        "pass, the first full segment does not: the connection stands still until the kernel gives up.",
    .thresholds = mtu_blackhole_rule::kThresholds,
    .references = mtu_blackhole_rule::kReferences,
    .covers = {.each = EachOf::senders},
    .judge = mtu_blackhole_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
