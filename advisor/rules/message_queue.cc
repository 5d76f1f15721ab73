// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/user_queues.h"

namespace tcpadvisor {
namespace message_queue_rule {
namespace {

constexpr std::string_view kId = "message-queue-holds-senders";
constexpr double kShareOfSamples = 0.5;
constexpr std::uint64_t kMostWithoutKnownMemory = 1ull << 30;  // bytes, for all queues of one program

enum class Kind { held };

Finding finding_for(const QueueView& view, const QueueGroup& group) {
  Finding finding = about_queues(view, group, kId, Severity::warning, FindingClass::application,
                                 "senders are suspended by the message queue in every window, not by the driver queue");
  const UserQueue& queue = *group.front()->now;
  auto suspended = total(group, [](const UserQueue& one) { return one.suspended; });
  finding.title = fmt::format("{} suspends {} at the mark of its message queue, not of the driver's",
                              speaker_text(group), counted(suspended, "sender"));
  auto mark = [](const std::optional<std::uint64_t>& value) {
    return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
  };
  finding.evidence.push_back(told(view, group, "suspended_senders", static_cast<double>(suspended), "count", 0));
  if (queue.message_queue) {
    finding.evidence.push_back(told(view, group, "message_queue", static_cast<double>(*queue.message_queue), "bytes",
                                    mark(queue.message_high)));
  }
  finding.evidence.push_back(
      told(view, group, "user_queue", static_cast<double>(queue.queued), "bytes", mark(queue.high)));
  double held = 0, spoken = 0;
  for (const PastQueue* then : group.front()->then) {
    if (then == nullptr) continue;
    ++spoken;
    if (then->message_busy.value_or(false) && then->suspended.value_or(0) > 0) ++held;
  }
  finding.evidence.push_back(told(view, group, "samples_with_senders_held", held / std::max(spoken, 1.0),
                                  "ratio of samples", kShareOfSamples));
  add_longest_wait(view, group, finding.evidence);
  auto number = [](const std::optional<std::uint64_t>& value) {
    return value ? with_commas(*value) : std::string("?");
  };
  finding.meaning = fmt::format(
      "Commands wait before the driver queue: {} bytes (stop above {}, go on below {}), while it holds {} (mark {}). "
      "The network has no part in it.",
      number(queue.message_queue), number(queue.message_high), number(queue.message_low), with_commas(queue.queued),
      number(queue.high));
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: fewer senders per connection, or one that batches for all.";
  std::uint64_t room = mul_sat(queue.message_high.value_or(0), 1 + std::uint64_t{queue.suspended.value_or(0)});
  std::uint64_t target = pow2ceil(room), in_all = mul_sat(target, group.size());
  // A mark that lets in more than there is memory bounds nothing; a program may say any number.
  std::uint64_t memory = view.window->latest().host.mem_bytes;
  bool more = queue.message_high.value_or(0) > 0 && target > *queue.message_high;
  if (more && in_all <= (memory > 0 ? memory : kMostWithoutKnownMemory)) {
    cure.text = fmt::format("Raise high_msgq_watermark from {} to {}, or let one sender batch for all.",
                            with_commas(*queue.message_high), with_commas(target));
    cure.formula = fmt::format(
        "pow2ceil(high_msgq_watermark {} x (1 + {} suspended)) = {}: room for one message each, if none is larger than "
        "the mark now is",
        with_commas(*queue.message_high), queue.suspended.value_or(0), with_commas(target));
    cure.worst_case_memory_bytes = in_all;
  }
  cure.steps = {"without {parallelism,true} a command runs at once if the port is free"};
  cure.verify = fmt::format("tcpadvisor report --only {}: no sender is suspended while the driver queue is short", kId);
  finding.not_useful = {
      {"high_watermark, low_watermark", "belong to the driver queue, which is short"},
      {"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF", "the kernel has taken what the driver gave it"},
      {"TCP_NODELAY, delay_send", "act behind the message queue"},
  };
  return finding;
}

Outcome judge_message_queue_holds_senders(const Evidence& in) {
  const QueueView& view = in.queues();
  if (!view.nobody.empty()) return no_queues(view);
  QueueGroups<Kind> groups;
  std::size_t tell = 0;
  bool too_early = false;
  for (const QueueStory& story : view.stories) {
    if (!story.live || !story.now->message_busy) continue;
    ++tell;
    if (shutdown_waits(view, story) || grows_past_its_mark(view, story)) continue;
    if (message_queue_holds(view, story)) add_story(groups, Kind::held, story);
    too_early |= !view.heard_throughout(story) && *story.now->message_busy;
  }
  Outcome outcome;
  for (const auto& [key, group] : groups) outcome.findings.push_back(finding_for(view, group));
  return queue_outcome(view, std::move(outcome.findings),
                       {.too_early = too_early,
                        .tell = tell,
                        .nobody_tells = "no program that publishes its queue tells mq_busy=",
                        .fine = "published message queues that hold senders while the driver queue is short"});
}

constexpr std::array<std::string_view, 2> kMessageQueueHoldsSendersReferences = {
    "inet(3): high_msgq_watermark, low_msgq_watermark", "docs/user-queues.md (mq)"};

}  // namespace
}  // namespace message_queue_rule

namespace rules {

extern const Rule message_queue_holds_senders = {
    .id = "message-queue-holds-senders",
    .title = "a message queue holds senders before a short queue",
    .explanation =
        "Senders are suspended by the mark of the message queue before the driver although the driver's own "
        "queue is short: commands come faster than they are executed, and the network has no part in it.",
    .thresholds = {},
    .references = message_queue_rule::kMessageQueueHoldsSendersReferences,
    .judge = message_queue_rule::judge_message_queue_holds_senders,
};

}  // namespace rules
}  // namespace tcpadvisor
