// SPDX-License-Identifier: Apache-2.0
// Segments that came while a program's call held the lock of their socket, and found no room to wait for it.
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
#include "advisor/rules/dropped.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace backlog_drops_rule {
namespace {

constexpr Threshold kMinDrops = count_threshold("min_drops", 5, "segments").clears_at(0.5);
constexpr Threshold kMinShare = ratio_threshold("min_share", 0.0001).clears_at(0.5);  // of the segments received
constexpr std::string_view kCounter = "TcpExt.TCPBacklogDrop";
constexpr double kMostOfThem = 0.5;
constexpr std::uint64_t kBeside = 65'536;          // bytes that the kernel adds to the limit (tcp_add_backlog)
constexpr std::uint64_t kSmallBuffer = 128 << 10;  // SO_RCVBUF that may be too small for a single call

/// What one process lost on its sockets. A socket's own counter also has what was dropped for other reasons.
struct Loser {
  double drops = 0;
  const SocketRow* worst = nullptr;  ///< of its sockets
  double worst_drops = 0;
  std::uint64_t sockets = 0;
};

double drops_of(const Window& window, const SocketRow& row) {
  return window
      .socket_series(row,
                     [](const PastRow& then) { return then.drops ? std::optional<double>(*then.drops) : std::nullopt; })
      .increase();
}

/// The holder of the sockets of the namespace on which most segments were dropped, if it accounts for most of them.
std::optional<Loser> who_lost(const Evidence& in, NetnsId netns, double dropped) {
  std::map<Group, Loser> losers;
  for (const SocketRow& row : in.now().sockets) {
    if (row.netns != netns || row.state == TcpState::listen || row.drops.value_or(0) == 0) continue;
    auto group = group_of(row);
    double here = drops_of(in.window, row);
    if (!group || here <= 0) continue;
    Loser& loser = losers[*group];
    loser.drops += here;
    ++loser.sockets;
    if (here <= loser.worst_drops) continue;
    loser.worst = &row;
    loser.worst_drops = here;
  }
  auto most = std::ranges::max_element(losers, {}, [](const auto& one) { return one.second.drops; });
  if (most == losers.end() || most->second.drops < kMostOfThem * dropped) return std::nullopt;
  return most->second;
}

/// The smallest receive buffer that the socket had: what came then had the least room.
std::optional<std::uint64_t> smallest_buffer(const Window& window, const SocketRow& row) {
  if (!row.rcvbuf) return std::nullopt;
  Series sizes = window.socket_series(
      row, [](const PastRow& then) { return then.rcvbuf ? std::optional<double>(*then.rcvbuf) : std::nullopt; });
  return sizes.empty() ? *row.rcvbuf : std::min(*row.rcvbuf, to_u64(sizes.min()));
}

/// How much may wait for the lock of a socket, in bytes of memory.
std::uint64_t limit_of(std::uint64_t rcvbuf, const SocketRow& row) {
  return add_sat(add_sat(mul_sat<std::uint64_t>(rcvbuf, 2), row.sndbuf.value_or(0) / 2), kBeside);
}

/// The program has made it small.
bool is_small(const Window& window, const SocketRow& row) {
  return row.locks && row.locks->rcvbuf && smallest_buffer(window, row).value_or(kSmallBuffer) < kSmallBuffer;
}

void name(const Evidence& in, const Loser& loser, Finding& finding) {
  const SocketRow& row = *loser.worst;
  const std::array rows = {&row};
  name_holder(finding.scope, rows);
  finding.scope.cgroup = row.cgroup;
  if (loser.sockets == 1) {
    finding.scope.local = row.local.text();
    finding.scope.remote = row.remote.text();
  }
  finding.scope.count = loser.sockets;
  finding.evidence.push_back(
      measured(in.window, "dropped_on_its_sockets", source_of(in.now(), FactId::snapshot), loser.drops, "segments"));
  auto rcvbuf = smallest_buffer(in.window, row);
  if (!rcvbuf) return;
  finding.evidence.push_back(measured(in.window, "receive_buffer", source_of(in.now(), FactId::snapshot),
                                      static_cast<double>(*rcvbuf), "bytes"));
  finding.evidence.push_back(measured(in.window, "backlog_limit", "2 x rcvbuf + sndbuf / 2 + 64 KiB",
                                      static_cast<double>(limit_of(*rcvbuf, row)), "bytes"));
  if (row.backlog_bytes.value_or(0) > 0) {
    finding.evidence.push_back(measured(in.window, "backlog_now", source_of(in.now(), FactId::snapshot),
                                        static_cast<double>(*row.backlog_bytes), "bytes"));
  }
}

void recommend(const Evidence& in, const NetnsSample& netns, const std::optional<Loser>& loser, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  const bool small = loser && is_small(in.window, *loser->worst);
  cure.text = small ? fmt::format(
                          "Do not set SO_RCVBUF so small ({}): leave the size to the kernel. And keep each "
                          "recv() and send() short.",
                          human_bytes(*smallest_buffer(in.window, *loser->worst)))
                    : "Keep each recv() and send() short: smaller pieces, into memory that is in place.";
  cure.steps = {
      "a call that waits for a page holds the lock meanwhile: memory that is swapped out, a mapped file, a "
      "cgroup at its memory or CPU limit (cpu.stat: nr_throttled)"};
  if (loser && loser->worst->owner) {
    cure.steps.push_back(fmt::format("what it waits in: cat /proc/{0}/wchan; grep -E 'majflt|VmSwap' /proc/{0}/status",
                                     loser->worst->owner->pid));
  } else {
    cure.steps.emplace_back("which sockets: ss -tnm shows d (drops) and bl (what waits) for each");
  }
  cure.verify = fmt::format("{}nstat -az TcpExtTCPBacklogDrop stands still", in_netns(in.now(), netns.id));
  finding.not_useful = {
      {"net.core.netdev_max_backlog", "is the queue of packets in front of a processor, not this one"},
      {"net.core.somaxconn, the listen() backlog", "holds connections that wait for accept(); this is about data"},
      {"net.ipv4.tcp_max_syn_backlog", "holds half-open connections"}};
}

Finding finding_for(const Evidence& in, const NetnsSample& netns, const Counted& dropped,
                    const std::optional<double>& received) {
  Finding finding = finding_of_netns(in.now(), netns, "tcp-backlog-drop");
  const double share = received.value_or(0) > dropped.times ? dropped.times / *received : 1;
  const bool many = !received || share >= in.policy.value(kMinShare);
  finding.severity = many ? Severity::warning : Severity::info;
  finding.finding_class = FindingClass::application;
  finding.evidence.push_back(measured(in.window, "dropped_at_a_locked_socket", std::string(kCounter), dropped.times,
                                      "segments", in.policy.value(kMinDrops)));
  if (received) {
    finding.evidence.push_back(measured(in.window, "share_of_segments", "TcpExt.TCPBacklogDrop / Tcp.InSegs", share,
                                        "ratio", in.policy.value(kMinShare)));
  }
  DroppedList told = dropped_for(tcpadvisor::dropped(in.window, in.now()), "SOCKET_BACKLOG");
  std::erase_if(told, [&](const Dropped& one) { return one.what->netns != netns.id; });
  if (!told.empty()) {
    const Endpoint& most = told.front().what->peer;
    finding.evidence.push_back(
        measured(in.window, "told_by_address",
                 fmt::format("SOCKET_BACKLOG, from {}{}", most.ip_text(),
                             told.size() > 1 ? fmt::format(" and {} more", told.size() - 1) : ""),
                 static_cast<double>(segments_of(told)), "segments"));
  }
  auto loser = who_lost(in, netns.id, dropped.times);
  if (loser) name(in, *loser, finding);
  finding.title =
      fmt::format("{} came while a call held {}, and found no room to wait", counted(to_u64(dropped.times), "segment"),
                  loser ? "the socket of " + process_text(finding.scope) : "their socket");
  finding.confidence = loser ? Confidence::high : Confidence::medium;
  finding.confidence_why = loser ? "the kernel counts them, and the socket on which they were dropped does as well" +
                                       why_no_pid(finding.scope)
                                 : "the kernel counts them for the namespace; no socket that is listed shows as many";
  if (!many) finding.confidence_why += "; so few are sent again without harm";
  finding.meaning =
      "While recv() or send() works on a socket, what arrives waits behind it. That place is limited by the socket's "
      "buffers; what finds no room is dropped by this host, and the sender takes it for a loss of the network.";
  recommend(in, netns, loser, finding);
  return finding;
}

Outcome judge_backlog_drops(const Evidence& in) {
  return judge_counter(in, kCounter, "segments dropped at a locked socket",
                       [&](const NetnsSample& netns, const Counted& dropped) -> std::optional<Finding> {
                         if (dropped.times < in.policy.value(kMinDrops)) return std::nullopt;
                         return finding_for(in, netns, dropped, in.window.increase(netns.id, "Tcp.InSegs"));
                       });
}

constexpr std::array kThresholds = {kMinDrops, kMinShare};
constexpr std::array<std::string_view, 1> kReferences = {"net/ipv4/tcp_ipv4.c: tcp_add_backlog"};

}  // namespace
}  // namespace backlog_drops_rule

namespace rules {

extern const Rule tcp_backlog_drop = {
    .id = "tcp-backlog-drop",
    .title = "segments dropped behind a call that holds their socket",
    .explanation =
        "TCPBacklogDrop counts segments that came while a program's own call held their socket, when too much waited "
        "there already. It has nothing to do with the backlog of listen(): calls that last long on sockets with small "
        "buffers cause it.",
    .thresholds = backlog_drops_rule::kThresholds,
    .references = backlog_drops_rule::kReferences,
    .judge = backlog_drops_rule::judge_backlog_drops,
};

}  // namespace rules
}  // namespace tcpadvisor
