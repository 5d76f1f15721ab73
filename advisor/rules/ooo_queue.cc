// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/rules/flows.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace ooo_queue_rule {
namespace {

constexpr Threshold kOutOfOrder = ratio_threshold("out_of_order", 0.05).clears_at(0.6);  // of the segments received
constexpr Threshold kMinSegments =
    count_threshold("min_segments", 50, "segments").clears_at(0.5);  // out of order, from one peer
constexpr std::size_t kFewestLooks = 4;
constexpr std::size_t kFewestTimes = 3;  // between two looks: it goes on
constexpr double kLeastS = 10;
constexpr const char* kDropped = "TcpExt.TCPOFODrop";

struct Disorder {
  double received = 0, out_of_order = 0;
  std::optional<double> sent_again;  ///< by a sender on this host
};

std::optional<Disorder> disorder_of(const Evidence& in, const Past& past, const SocketRow& row) {
  if (row.kind != SocketKind::full || row.ooo_segs.value_or(0) < in.policy.value(kMinSegments)) return std::nullopt;
  const PastRow* first = past.first().find(row);
  if (first != nullptr && first->ooo_segs == Maybe<std::uint32_t>(row.ooo_segs)) return std::nullopt;
  if (stays_inside(in.window, row)) return std::nullopt;
  Series late = numbers(past, row, &PastRow::ooo_segs), all = numbers(past, row, &PastRow::data_segs_in);
  if (late.rises() < kFewestTimes || all.size() < 2) return std::nullopt;
  Disorder out{.received = all.increase(), .out_of_order = late.increase(), .sent_again = {}};
  if (out.out_of_order < in.policy.value(kMinSegments) ||
      out.out_of_order < in.policy.value(kOutOfOrder) * out.received)
    return std::nullopt;
  if (const SocketRow* sender = in.window.connections().other_end(row)) {
    Progress progress = progress_of(past, *sender);
    if (progress.retransmits) out.sent_again = std::max(0.0, *progress.retransmits - progress.duplicates.value_or(0));
  }
  return out;
}

Finding finding_for(const Evidence& in, const Past& past, const FlowGroup& flows, const Disorder& sum) {
  const Sample& now = in.now();
  const double share = sum.out_of_order / std::max(1.0, sum.received);
  auto dropped = past.increase(flows.scope.netns, kDropped);
  Finding finding;
  finding.id = "ooo-queue-pressure";
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::network_path;
  finding.scope = flows.scope;
  finding.title = fmt::format("{:.0f} % of what {} receives from {} comes out of order", share * 100,
                              process_text(finding.scope), peers_text(flows));
  finding.confidence = Confidence::medium;
  finding.confidence_why = sum.sent_again ? "the sender is on this host, and its own counts were compared"
                                          : "what was lost and what came by another way is known to the sender only";
  auto say = [&](const char* metric, std::string source, double value, const char* unit,
                 std::optional<double> threshold = std::nullopt) {
    Measurement one = measured(in.window, metric, std::move(source), value, unit, threshold);
    one.window_s = past.span_s();
    one.samples = past.samples();
    finding.evidence.push_back(std::move(one));
  };
  const std::string rows = source_of(now, FactId::snapshot);
  say("out_of_order", rows, share, "ratio of segments", in.policy.value(kOutOfOrder));
  say("out_of_order_segments", rows, sum.out_of_order, "segments", in.policy.value(kMinSegments));
  if (sum.sent_again) say("sent_again_by_the_sender", rows, *sum.sent_again, "segments");
  if (dropped)
    say("thrown_away_for_want_of_room", fmt::format("{} of the namespace", kDropped), *dropped, "segments", 0);
  finding.meaning =
      "Segments that follow a gap wait in the out-of-order queue until it is filled: a segment was lost and is sent "
      "again, "
      "or it took another way. They count against the receive buffer meanwhile, and the program gets nothing.";
  if (sum.sent_again && *sum.sent_again < sum.out_of_order * 0.01)
    finding.meaning += " The sender has hardly sent anything again: the path reorders, and loses nothing.";
  Recommendation& cure = finding.recommendation;
  cure.text =
      "Change nothing here. Look at link bundles, parallel routes and receive queues that spread one flow (RPS).";
  if (dropped.value_or(0) > 0) {
    cure.text +=
        " Some of it was thrown away because the buffer or TCP's memory was full: see the findings about those.";
  }
  cure.verify =
      "nstat -az TcpExtTCPOFOQueue TcpExtTCPOFODrop; at the sender: ss -ti shows retrans, dsack_dups, reord_seen";
  finding.not_useful = {
      {"net.ipv4.tcp_reordering, net.ipv4.tcp_max_reordering", "belong to the sender, which learns them by itself"},
      {"net.ipv4.tcp_sack = 0", "the sender no longer hears what has arrived, and sends it again"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = progress_problem(in, kFewestLooks); !problem.empty()) return Outcome::unknown(problem);
  const Past past = recent(in, kLeastS);
  FlowGroups groups;
  std::map<const SocketRow*, Disorder> found;
  std::uint64_t looked = 0;
  for (const SocketRow& row : now.sockets) {
    looked += row.bytes_received.value_or(0) > 0 ? 1 : 0;
    auto disorder = disorder_of(in, past, row);
    if (!disorder) continue;
    found.emplace(&row, *disorder);
    groups.add(now, row, disorder->sent_again ? "known" : "");
  }
  std::vector<Finding> findings;
  for (const FlowGroup& flows : groups.take()) {
    Disorder sum;
    for (const SocketRow* row : flows.rows) {
      const Disorder& one = found[row];
      sum.received += one.received;
      sum.out_of_order += one.out_of_order;
      if (one.sent_again) sum.sent_again = sum.sent_again.value_or(0) + *one.sent_again;
    }
    findings.push_back(finding_for(in, past, flows, sum));
  }
  return Outcome::of(std::move(findings), "", "connections whose segments come out of order",
                     fmt::format("0 of {} that received", with_commas(looked)));
}

constexpr std::array kThresholds = {kOutOfOrder, kMinSegments};
constexpr std::array<std::string_view, 2> kReferences = {"RFC 4737 (packet reordering)", "RFC 8985 section 3.2"};

}  // namespace
}  // namespace ooo_queue_rule

namespace rules {

extern const Rule ooo_queue_pressure = {
    .id = "ooo-queue-pressure",
    .title = "segments arrive out of order",
    .explanation =
        "A share of the segments arrives after a gap and waits for what fills it. Losses and several ways through the "
        "network both do that; the sender's counts tell them apart. Hardly ever is there anything to change on the "
        "receiving host.",
    .thresholds = ooo_queue_rule::kThresholds,
    .references = ooo_queue_rule::kReferences,
    .covers = {.each = EachOf::flows},
    .judge = ooo_queue_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
