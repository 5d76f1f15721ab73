// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/rules/flows.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace nagle_stall_rule {
namespace {

constexpr Threshold kHeldShare =
    ratio_threshold("held_share", 0.2).clears_at(0.5);              // of the looks: less than a segment is held back
constexpr Threshold kAckDelay = time_threshold("ack_delay", 0.01);  // acknowledgements come later than the path needs
constexpr Threshold kMinAnswers =
    count_threshold("min_answers", 10, "segments").clears_at(0.5);  // in the time observed
constexpr double kAnswersPerSegment = 0.2;  // fewer: data goes one way, and nobody waits for each piece
constexpr double kLeastS = 10;
constexpr std::size_t kFewestLooks = 4;

/// How a conversation is held up.
struct Stall {
  const SocketRow* row = nullptr;
  double held_share = 0, answers = 0, lost_ms = 0;  ///< lost_ms: of each answer, by the share of looks
  double srtt_us = 0;
};

/// Less than a segment waits although the peer's window has room: nothing but Nagle's algorithm, or TCP_CORK, holds it.
std::optional<Stall> stall_of(const Evidence& in, const Past& past, const SocketRow& row) {
  if (row.state != TcpState::established || row.mss.value_or(0) == 0) return std::nullopt;
  if (row.nodelay.value_or(false) || row.cork.value_or(false)) return std::nullopt;
  if (row.calls && row.calls->small_write_runs == 0) return std::nullopt;  // it writes each message with one call
  // Cheap questions first: most connections are at rest, or far from a stall. A smoothed time may have halved since.
  const double late_us = in.policy.value(kAckDelay) * 1e6;
  if (row.min_rtt_us.value_or(0) == 0 || row.srtt_us.value_or(0) < *row.min_rtt_us + late_us / 2 ||
      row.data_segs_in.value_or(0) < in.policy.value(kMinAnswers))
    return std::nullopt;
  Progress progress = progress_of(past, row);
  Stall out{.row = &row, .answers = progress.segs_in.value_or(0), .srtt_us = progress.srtt_us};
  if (out.answers < in.policy.value(kMinAnswers) || out.answers < kAnswersPerSegment * progress.segs_out.value_or(0) ||
      progress.retransmits.value_or(0) > 0)
    return std::nullopt;
  std::size_t looks = 0, held = 0;
  for (const PastRow* then : past.history(row)) {
    if (then == nullptr || !then->not_sent) continue;
    ++looks;
    bool room = !then->peer_closed_window.value_or(false) && then->snd_wnd.value_or(*row.mss) >= *row.mss;
    held += *then->not_sent > 0 && *then->not_sent < *row.mss && room ? 1 : 0;
  }
  if (looks < kFewestLooks) return std::nullopt;
  out.held_share = static_cast<double>(held) / static_cast<double>(looks);
  if (held < 2 || out.held_share < in.policy.value(kHeldShare)) return std::nullopt;
  // The path itself is quick: what is late is the acknowledgement. Where it cannot be seen, nobody is blamed.
  if (out.srtt_us < *row.min_rtt_us + late_us) return std::nullopt;
  out.lost_ms = out.held_share * progress.span_s * 1000 / out.answers;
  // Acknowledgements that are late for another reason, a long queue on the path say, hold back whatever is written
  // next.
  if (out.lost_ms * 1000 < late_us / 2) return std::nullopt;
  return out;
}

struct Group {
  const FlowGroup& flows;
  Stall worst;
  double answers = 0;
  std::optional<std::uint64_t> runs;  ///< of small writes, since the agent started
};

Finding finding_for(const Evidence& in, const Past& past, const Group& group) {
  const Sample& now = in.now();
  const Stall& worst = group.worst;
  Finding finding;
  finding.id = "nagle-delack-stall";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = group.flows.scope;
  const std::string who = process_text(finding.scope);
  finding.title = fmt::format("{} waits {:.0f} ms for each answer, because it writes in pieces ({})", who,
                              worst.lost_ms, counted(group.flows.rows.size(), "connection"));
  finding.confidence_why =
      "less than one segment is held back although the peer's window has room, TCP_NODELAY is not set, and the "
      "acknowledgements come later than the path needs";
  if (group.runs.value_or(0) > 0) {
    finding.confidence_why +=
        fmt::format("; {} runs of small writes before a read were seen", with_commas(*group.runs));
  } else {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; the sizes of its writes are not visible here";
  }
  std::string source = source_of(now, FactId::snapshot);
  auto add = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    Measurement one = measured(in.window, metric, source, value, unit, threshold);
    one.window_s = past.span_s();
    one.samples = past.samples();
    finding.evidence.push_back(std::move(one));
  };
  add("held_back", worst.held_share, "ratio of samples", in.policy.value(kHeldShare));
  add("rtt", worst.srtt_us / 1000, "ms", *worst.row->min_rtt_us / 1000.0 + in.policy.value(kAckDelay) * 1000);
  add("min_rtt", *worst.row->min_rtt_us / 1000.0, "ms");
  add("answers", group.answers / past.span_s(), "per_s");
  add("waited_per_answer", worst.lost_ms, "ms");
  if (group.runs) {
    finding.evidence.push_back(measured(in.window, "small_write_runs", source_of(now, FactId::calls),
                                        static_cast<double>(*group.runs), "count"));
  }
  finding.meaning = fmt::format(
      "A message leaves in two or more writes. The first goes at once; Nagle's algorithm holds the rest until the "
      "first "
      "is acknowledged, and the peer delays that acknowledgement (40 ms on Linux) because it waits for the whole "
      "message. A path of {:.2f} ms then takes {:.0f} ms.",
      *worst.row->min_rtt_us / 1000.0, std::max(worst.lost_ms, worst.srtt_us / 1000));
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "Let {} write each message with one call (writev, sendmsg, a buffer that is flushed once), or set TCP_NODELAY.",
      who);
  cure.steps = {
      "one call for each message is the better cure: fewer packets as well; MSG_MORE on all but the last "
      "write does the same",
      "with TCP_NODELAY each small write becomes a packet of its own"};
  cure.verify = "tcpadvisor report --only nagle-delack-stall; ss -ti: rtt is near minrtt";
  finding.not_useful = {
      {"any sysctl", "none turns Nagle's algorithm off; net.ipv4.tcp_low_latency does nothing since Linux 4.14"},
      {"net.ipv4.tcp_wmem, SO_SNDBUF", "there is room; the bytes wait for an acknowledgement"},
      {"TCP_QUICKACK at the peer", "does not stay: the kernel soon delays acknowledgements again"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = progress_problem(in, kFewestLooks); !problem.empty()) return Outcome::unknown(problem);
  const Past past = recent(in, kLeastS);
  FlowGroups groups;
  std::map<const SocketRow*, Stall> stalls;
  std::uint64_t looked = 0, blind = 0;
  for (const SocketRow& row : now.sockets) {
    if (row.state != TcpState::established) continue;
    ++looked;
    std::optional<Stall> stall = stall_of(in, past, row);
    if (!stall) continue;
    if (!row.nodelay) {
      ++blind;
      continue;
    }
    stalls.emplace(&row, *stall);
    groups.add(now, row);
  }
  std::vector<Finding> findings;
  for (const FlowGroup& flows : groups.take()) {
    Group group{.flows = flows, .worst = {}, .answers = 0, .runs = {}};
    for (const SocketRow* row : flows.rows) {
      const Stall& stall = stalls[row];
      if (group.worst.row == nullptr || stall.lost_ms > group.worst.lost_ms) group.worst = stall;
      group.answers += stall.answers;
      if (row->calls) group.runs = group.runs.value_or(0) + row->calls->small_write_runs;
    }
    findings.push_back(finding_for(in, past, group));
  }
  std::string hidden;
  if (blind > 0) {
    hidden = fmt::format("{} wait as with Nagle's algorithm, but {} does not show whether TCP_NODELAY is set",
                         counted(blind, "connection"), source_of(now, FactId::snapshot));
  }
  return Outcome::of(std::move(findings), std::move(hidden), "connections that wait for delayed acknowledgements",
                     fmt::format("0 of {}", with_commas(looked)));
}

constexpr std::array kThresholds = {kHeldShare, kAckDelay, kMinAnswers};
constexpr std::array<std::string_view, 3> kReferences = {"tcp(7): TCP_NODELAY, TCP_CORK",
                                                         "RFC 1122 sections 4.2.3.2 and 4.2.3.4", "RFC 896"};

}  // namespace
}  // namespace nagle_stall_rule

namespace rules {

extern const Rule nagle_delack_stall = {
    .id = "nagle-delack-stall",
    .title = "small writes wait for delayed acknowledgements",
    .explanation =
        "A program writes a message in pieces and then waits for the answer. Nagle's algorithm holds back a small "
        "piece while an earlier one is not acknowledged, and the peer delays acknowledgements: each message costs tens "
        "of milliseconds on any path. No setting helps; one write for each message does, or TCP_NODELAY.",
    .thresholds = nagle_stall_rule::kThresholds,
    .references = nagle_stall_rule::kReferences,
    .covers = {.each = EachOf::flows},
    .judge = nagle_stall_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
