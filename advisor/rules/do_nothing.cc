// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/rules/port_share.h"
#include "advisor/rules/receive_prunes.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace do_nothing_rule {
namespace {

constexpr Threshold kManyTimeWait = count_threshold("many_time_wait", 5'000, "entries");  // now people begin to "tune"
constexpr Threshold kBucketShare =
    ratio_threshold("bucket_share", 0.9);  // of tcp_max_tw_buckets: above it some are dropped
constexpr double kFewRetransmits = 0.001;  // of the segments sent
constexpr Threshold kManyRetransmits = count_threshold("many_retransmits", 100, "segments");  // fewer are no topic
constexpr Threshold kSpuriousShare = ratio_threshold("spurious_share", 0.5);  // that the peers report as duplicates

Finding nothing_to_do(const Window& window, const NetnsSample& netns, std::string topic, std::string title,
                      std::string meaning) {
  Finding finding;
  finding.id = "do-nothing";
  finding.topic = std::move(topic);
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::kernel_config;
  finding.scope.kind = ScopeKind::netns;
  finding.scope.netns = netns.id;
  finding.scope.netns_name = netns_name(window.latest(), netns.id);
  finding.title = std::move(title);
  finding.meaning = std::move(meaning);
  finding.recommendation.text = "Change nothing.";
  return finding;
}

void time_wait(const Evidence& in, const NetnsSample& netns, const std::vector<PortShare>& shares,
               std::vector<Finding>& out) {
  const Window& window = in.window;
  if (fullest_share(shares, netns.id) >= in.policy.value(kPortShare)) return;  // port-exhaustion tells about them
  std::uint64_t count = netns.states[index_of(TcpState::time_wait)].count;
  double overflow = window.increase(netns.id, "TcpExt.TCPTimeWaitOverflow").value_or(0);
  auto buckets = sysctl_value(window.latest(), netns.id, "net.ipv4.tcp_max_tw_buckets");
  bool near_limit =
      buckets && static_cast<double>(count) >= in.policy.value(kBucketShare) * static_cast<double>(*buckets);
  if (static_cast<double>(count) < in.policy.value(kManyTimeWait) || overflow > 0 || near_limit) return;
  Finding finding =
      nothing_to_do(window, netns, "time-wait", fmt::format("{} TIME_WAIT entries are normal here", with_commas(count)),
                    "TIME_WAIT is the clean end of a connection that this side closed first: 60 s, 256 bytes, no "
                    "descriptor. It is no shortage as long as outgoing ports suffice.");
  finding.scope.count = count;
  auto fullest = std::ranges::find_if(shares, [&](const PortShare& one) { return one.use->netns == netns.id; });
  if (fullest != shares.end()) {
    finding.evidence.push_back(measured(window, "ports_used_towards_one_destination",
                                        source_of(window.latest(), FactId::snapshot),
                                        static_cast<double>(fullest->use->used), "ports",
                                        in.policy.value(kPortShare) * static_cast<double>(fullest->space.available())));
  }
  std::optional<double> limit;
  if (buckets) limit = static_cast<double>(*buckets);
  finding.evidence.push_back(measured(window, "time_wait", source_of(window.latest(), FactId::snapshot),
                                      static_cast<double>(count), "entries", limit));
  finding.evidence.push_back(
      measured(window, "time_wait_overflow", "TcpExt.TCPTimeWaitOverflow", overflow, "count", 0));
  finding.not_useful = {
      {"net.ipv4.tcp_tw_reuse", "only lets outgoing connections use such ports again; the count stays"},
      {"net.ipv4.tcp_fin_timeout", "TIME_WAIT is a fixed 60 s in the kernel"},
      {"net.ipv4.tcp_max_tw_buckets (lower)", "ends connections early; peers may see resets"}};
  out.push_back(std::move(finding));
}

void prunes(const Evidence& in, const NetnsSample& netns, std::vector<Finding>& out) {
  const Window& window = in.window;
  auto prunes = prunes_of(window, netns.id);
  if (!prunes || prunes->called == 0 || prunes->dropped() > 0) return;
  if (prunes->collapsed_per_s > in.policy.value(kManyCollapses)) return;  // rcv-collapse-prune tells about them
  Finding finding =
      nothing_to_do(window, netns, "prunes", "Receive queues were compacted, nothing was dropped",
                    "PruneCalled counts attempts to make room in a full receive buffer. Without RcvPruned or "
                    "TCPRcvQDrop no data was lost.");
  finding.evidence.push_back(measured(window, "prune_called", "TcpExt.PruneCalled", prunes->called, "count"));
  finding.evidence.push_back(measured(window, "rcv_pruned", "TcpExt.RcvPruned", prunes->pruned, "count", 0));
  finding.not_useful = {{"net.ipv4.tcp_rmem", "the counter alone shows no loss"}};
  out.push_back(std::move(finding));
}

void retransmits(const Evidence& in, const NetnsSample& netns, std::vector<Finding>& out) {
  const Window& window = in.window;
  const double spurious_share = in.policy.value(kSpuriousShare);
  double again = window.increase(netns.id, "Tcp.RetransSegs").value_or(0);
  double sent = window.increase(netns.id, "Tcp.OutSegs").value_or(0);
  double duplicates = window.increase(netns.id, "TcpExt.TCPDSACKRecvSegs").value_or(0);
  if (again < in.policy.value(kManyRetransmits) || sent == 0) return;
  bool few = again / sent < kFewRetransmits;
  bool spurious = duplicates / again > spurious_share;
  if (!few && !spurious) return;
  Finding finding = nothing_to_do(
      window, netns, "retransmissions", "Retransmissions are harmless here",
      spurious ? "The peers report most of them as duplicates: segments were late or out of order, not lost."
               : "Fewer than one segment in a thousand was sent again.");
  finding.evidence.push_back(
      measured(window, "retransmitted_share", "Tcp.RetransSegs / Tcp.OutSegs", again / sent, "ratio", kFewRetransmits));
  finding.evidence.push_back(measured(window, "reported_as_duplicates", "TcpExt.TCPDSACKRecvSegs", duplicates / again,
                                      "ratio", spurious_share));
  finding.not_useful = {
      {"net.ipv4.tcp_sack, net.ipv4.tcp_dsack", "turning them off hides the reports and slows recovery"},
      {"net.ipv4.tcp_congestion_control", "no loss, so nothing to gain from it here"}};
  out.push_back(std::move(finding));
}

Outcome judge_do_nothing(const Evidence& in) {
  const Window& window = in.window;
  Outcome outcome;
  const std::vector<PortShare> shares = port_shares(in.now());
  for (const NetnsSample& netns : window.latest().netns) {
    if (!netns.error.empty()) continue;
    time_wait(in, netns, shares, outcome.findings);
    prunes(in, netns, outcome.findings);
    retransmits(in, netns, outcome.findings);
  }
  return outcome;
}

constexpr std::array kDoNothingThresholds = {kManyTimeWait,    kBucketShare,   kPortShare,
                                             kManyRetransmits, kSpuriousShare, kManyCollapses};

}  // namespace
}  // namespace do_nothing_rule

namespace rules {

extern const Rule do_nothing = {
    .id = "do-nothing",
    .title = "numbers that look alarming and are normal",
    .explanation =
        "Some numbers look alarming and are normal. Each is named with the reason, and with the settings that "
        "would do harm if they were changed because of it.",
    .thresholds = do_nothing_rule::kDoNothingThresholds,
    .references = {},
    .judge = do_nothing_rule::judge_do_nothing,
};

}  // namespace rules
}  // namespace tcpadvisor
