// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/own_limit.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/stuck_sender.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace hidden_user_queue_rule {
namespace {

constexpr Threshold kMinGrowth = size_threshold("min_growth", 1 << 20).clears_at(0.5);
constexpr Threshold kMinShare =
    ratio_threshold("min_share", 0.05).clears_at(0.6);  // of the memory that the process had at first
constexpr std::size_t kFewestSamples = 4;
constexpr std::string_view kAnyProgram =
    "its own limit on what it keeps for one peer (an output buffer, a queue of messages), and what happens beyond it";

/// How much the memory of a process has grown, if it did so all the time.
struct Growth {
  double first = 0, by = 0, per_minute = 0;
};

std::optional<Growth> growth_of(const Evidence& in, const OwnerTotals& owner) {
  auto rss = [](const PastOwner& then) -> std::optional<double> {
    return then.rss_bytes ? std::optional<double>(static_cast<double>(*then.rss_bytes)) : std::nullopt;
  };
  Series all = in.window.owner_series(owner, rss);
  if (all.size() < kFewestSamples) return std::nullopt;
  Growth out{.first = all.first(), .by = all.last() - all.first(), .per_minute = all.per_minute()};
  if (out.by < in.policy.value(kMinGrowth) || out.by < in.policy.value(kMinShare) * out.first) return std::nullopt;
  // A program that has just started, or took memory once, does not grow in each half.
  double middle = in.window.span_s() / 2;
  Series early, late;
  for (const Series::Point& point : all.points()) (point.t_s <= middle ? early : late).add(point.t_s, point.value);
  constexpr double kAtLeast = 0.2;  // of all growth, in either half
  if (late.empty() || early.empty()) return std::nullopt;
  double before = early.last() - early.first(), after = late.last() - early.last();
  if (before < kAtLeast * out.by || after < kAtLeast * out.by) return std::nullopt;
  return out;
}

bool publishes(const Sample& now, Pid pid) {
  return std::ranges::any_of(now.user_queues, [pid](const UserQueue& queue) { return queue.pid == pid; });
}

Finding finding_for(const Evidence& in, const StuckSender& sender, const Growth& growth) {
  const Window& window = in.window;
  Finding finding;
  finding.id = "hidden-user-queue";
  finding.severity = Severity::warning;
  finding.confidence = Confidence::medium;
  finding.confidence_why =
      "its memory grows while a peer takes nothing; that the two belong together is likely, and only the program knows";
  finding.finding_class = FindingClass::application;
  finding.scope = sender.scope;
  const std::string who = process_text(sender.scope);
  finding.title = fmt::format("{} grows by {} per minute while {} does not read: bytes pile up inside it", who,
                              human_bytes(to_u64(growth.per_minute)), sender.peer);
  std::string owners = "/proc/PID/stat", sockets = source_of(in.now(), FactId::snapshot);
  finding.evidence.push_back(
      measured(window, "rss_growth", owners, growth.by, "bytes",
               std::max(in.policy.value(kMinGrowth), in.policy.value(kMinShare) * growth.first)));
  finding.evidence.push_back(measured(window, "rss", owners, growth.first + growth.by, "bytes"));
  finding.evidence.push_back(measured(window, "send_q", sockets, static_cast<double>(sender.waiting), "bytes"));
  finding.evidence.push_back(
      measured(window, "stuck_for", sockets, sender.stuck_s, "s", stuck_long_enough_s(in.policy)));
  finding.meaning =
      "Send-Q is full and the peer's window closed, so what the program still produces for it stays in the program's "
      "own memory. The kernel does not see that queue, and does not bound it; it grows until the program's limit, or "
      "until memory ends.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text =
      "Bound what the program keeps for one peer, and let it end the connection, or stop producing, beyond that.";
  cure.steps.push_back(fmt::format("where {} keeps the limit: {}", sender.scope.comm,
                                   own_limit_of(sender.scope.comm).value_or(kAnyProgram)));
  cure.steps.push_back(fmt::format("the peer that does not read: {}", sender.peer));
  cure.steps.push_back("to see the queue here: let the program publish it (docs/user-queues.md)");
  cure.verify = fmt::format("grep VmRSS /proc/{}/status: no longer grows while the peer does not read",
                            sender.scope.pid.value_or(0));
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, SO_SNDBUF", "moves a little of the pile into the kernel, which then grows as well"},
      {"net.ipv4.tcp_mem, net.core.wmem_max", "the pile is not the kernel's memory"},
  };
  return finding;
}

Outcome judge(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  if (in.window.samples() < kFewestSamples) return Outcome::unknown(too_few_samples(in.window, kFewestSamples));
  StuckSenders stuck = stuck_senders(in);
  std::vector<Finding> findings;
  std::uint64_t unknown = 0;
  for (const StuckSender& sender : stuck.senders) {
    if (sender.closed) continue;
    if (sender.scope.pid && publishes(now, *sender.scope.pid)) continue;  // then its queue is not hidden
    const OwnerTotals* owner = sender.scope.pid ? in.window.connections().owner(*sender.scope.pid) : nullptr;
    if (owner == nullptr || !owner->rss_bytes) {
      ++unknown;
      continue;
    }
    if (auto growth = growth_of(in, *owner)) findings.push_back(finding_for(in, sender, *growth));
  }
  std::string why = std::move(stuck.not_assessed);
  if (why.empty() && unknown > 0)
    why = fmt::format("the memory of {} whose peers take nothing is not known", counted(unknown, "sender"));
  return Outcome::of(std::move(findings), std::move(why), "senders that grow while their peers take nothing",
                     fmt::format("0 of {}", with_commas(stuck.senders.size())));
}

constexpr std::array kThresholds = {kStuckSenderFor, kClosedShare, kMinGrowth, kMinShare};
constexpr std::array<std::string_view, 1> kReferences = {"docs/user-queues.md"};
constexpr std::array kExplainedBy = {
    kProcessStopped,
    ExplainedBy{"peer-not-reading", Link::same_flow, Then::keep, "finding {rule} says who does not read"},
};

}  // namespace
}  // namespace hidden_user_queue_rule

namespace rules {

extern const Rule hidden_user_queue = {
    .id = "hidden-user-queue",
    .title = "bytes pile up inside a program whose peer does not read",
    .explanation =
        "A program that does not wait for room in Send-Q keeps what does not fit in its own memory. While a peer does "
        "not read, that queue grows; the kernel neither sees nor bounds it.",
    .thresholds = hidden_user_queue_rule::kThresholds,
    .references = hidden_user_queue_rule::kReferences,
    .explained_by = hidden_user_queue_rule::kExplainedBy,
    .covers = {.each = EachOf::what_waits},
    .judge = hidden_user_queue_rule::judge,
};

}  // namespace rules
}  // namespace tcpadvisor
