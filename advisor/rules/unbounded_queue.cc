// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/user_queues.h"

namespace tcpadvisor {
namespace unbounded_queue_rule {
namespace {

constexpr std::string_view kId = "user-queue-unbounded";
constexpr Threshold kSoon = time_threshold("soon", 600).clears_at(1.5);  // until the host's memory is used up
constexpr Threshold kShareOfMemory =
    ratio_threshold("share_of_memory", 0.25).clears_at(0.8);  // of the host, in one program's queues
constexpr std::uint64_t kGib = 1ull << 30;

enum class Kind { bytes, senders };

struct Growth {
  double per_s = 0;  ///< of the queues together
  double bypassed = 0;
  std::uint64_t queued = 0, high = 0;
  std::optional<double> to_gib_s, to_full_s;
};

Growth growth_of(const QueueView& view, const QueueGroup& group) {
  const Window& window = *view.window;
  std::size_t first = view.parts.front().first, last = view.parts.back().last;
  double span_s = window.seconds_at(last) - window.seconds_at(first);
  Growth out;
  for (const QueueStory* story : group) {
    const PastQueue& before = *story->then[first];
    const PastQueue& after = *story->then[last];
    out.queued = add_sat(out.queued, after.queued);
    out.high = add_sat(out.high, std::uint64_t{after.high.value_or(0)});
    double more = static_cast<double>(after.queued) - static_cast<double>(before.queued);
    if (span_s > 0) out.per_s += more / span_s;
    out.bypassed += static_cast<double>(after.bypassed.value_or(0)) - static_cast<double>(before.bypassed.value_or(0));
  }
  if (out.per_s <= 0) return out;
  if (out.queued < kGib) out.to_gib_s = static_cast<double>(kGib - out.queued) / out.per_s;
  std::uint64_t available = window.latest().host.mem_available_bytes;
  if (available > 0) out.to_full_s = static_cast<double>(available) / out.per_s;
  return out;
}

Finding bytes_finding(const QueueView& view, const QueueGroup& group, const Policy& policy) {
  const double soon_s = policy.value(kSoon);
  Growth growth = growth_of(view, group);
  Flow flow = flow_of(view, *group.front());
  const HostFacts& host = view.window->latest().host;
  bool soon = growth.to_full_s && *growth.to_full_s < soon_s;
  bool large = host.mem_bytes > 0 &&
               static_cast<double>(growth.queued) >= policy.value(kShareOfMemory) * static_cast<double>(host.mem_bytes);
  Finding finding = about_queues(view, group, kId, soon || large ? Severity::critical : Severity::warning,
                                 FindingClass::application, "above its mark and growing in every window");
  finding.topic = "bytes";
  auto rate = to_u64(growth.per_s);
  finding.title = fmt::format("{} has {} queued past a mark of {}, and {} more each second", speaker_text(group),
                              human_bytes(growth.queued), human_bytes(growth.high), human_bytes(rate));
  finding.evidence.push_back(told(view, group, "user_queue_growth", growth.per_s, "bytes/s", 0));
  finding.evidence.push_back(
      told(view, group, "user_queue", static_cast<double>(growth.queued), "bytes", static_cast<double>(growth.high)));
  if (group.front()->now->bypassed) {
    finding.evidence.push_back(told(view, group, "accepted_while_busy", growth.bypassed, "bytes", 0));
  }
  auto refused = total(group, [](const UserQueue& queue) { return queue.refused; });
  if (group.front()->now->refused) {
    finding.evidence.push_back(told(view, group, "refused_sends", static_cast<double>(refused), "count"));
  }
  auto held = total(group, [](const UserQueue& queue) { return std::optional<std::uint64_t>(queue.suspended); });
  if (group.front()->now->suspended) {
    finding.evidence.push_back(told(view, group, "suspended_senders", static_cast<double>(held), "count"));
  }
  if (growth.to_gib_s) finding.evidence.push_back(told(view, group, "reaches_1_GiB_in", *growth.to_gib_s, "s"));
  if (growth.to_full_s) {
    finding.evidence.push_back(told(view, group, "memory_of_host_used_up_in", *growth.to_full_s, "s", soon_s));
  }
  add_places(view, group, flow, finding.evidence);

  std::string slow = chain_text(group, flow.outflow);
  if (flow.moves()) slow += fmt::format(" ({}/s)", human_bytes(to_u64(flow.per_s)));
  finding.meaning = fmt::format(
      "Bytes: {}. Back-pressure is bypassed (by force, sends that timed out and stay queued, control signals).", slow);
  if (growth.to_gib_s) {
    finding.meaning += fmt::format(" 1 GiB is reached in {}.", seconds_text(*growth.to_gib_s));
  } else if (growth.to_full_s) {
    finding.meaning += fmt::format(" This host's memory is used up in {}.", seconds_text(*growth.to_full_s));
  }
  finding.meaning += refused_text(group);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: bound what may wait; beyond it drop, spill to disk or slow down.";
  cure.steps = {"no force; what timed out is still queued; nosuspend means not sent, so count it"};
  cure.verify =
      fmt::format("tcpadvisor report --only {}: the queue stays near its mark of {}", kId, human_bytes(growth.high));
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF",
       "a larger kernel buffer takes some of it once; then the program's queue grows as before"},
      {"high_watermark, the busy limit", "a mark that is bypassed bounds nothing, wherever it is"},
      {"net.ipv4.tcp_mem", "this memory is the program's, not the kernel's"},
      {"vm.overcommit_memory, swap", "only move the day on which memory ends"},
  };
  finding.references = {"docs/user-queues.md (bypassed, refused)", "docs/distribution.md",
                        "erlang(3): send/3, port_command/3"};
  return finding;
}

Finding senders_finding(const QueueView& view, const QueueGroup& group, const Policy& policy) {
  Flow flow = flow_of(view, *group.front());
  std::uint64_t before = 0, now = 0;
  for (const QueueStory* story : group) {
    before = add_sat(before, story->then[view.parts.front().first]->suspended.value_or(0));
    now = add_sat(now, story->then[view.parts.back().last]->suspended.value_or(0));
  }
  double per_s = flow.span_s > 0 ? static_cast<double>(sub_sat(now, before)) / flow.span_s : 0;
  Finding finding = about_queues(view, group, kId, Severity::warning, FindingClass::application,
                                 "in every window more senders are suspended than before");
  finding.topic = "senders";
  finding.title = fmt::format("{} suspends {}, and {:.0f} more each second: the queue is bounded, they are not",
                              speaker_text(group), counted(now, "sender"), per_s);
  finding.evidence.push_back(told(view, group, "suspended_senders", static_cast<double>(now), "count",
                                  static_cast<double>(add_sat(before, policy.min_count))));
  finding.evidence.push_back(told(view, group, "suspended_senders_growth", per_s, "per_s"));
  std::optional<double> high;
  if (group.front()->now->high) high = static_cast<double>(total(group, [](const UserQueue& one) { return one.high; }));
  finding.evidence.push_back(told(view, group, "user_queue", static_cast<double>(total_queued(group)), "bytes", high));
  add_places(view, group, flow, finding.evidence);
  finding.meaning = fmt::format(
      "Bytes: {}. Each suspended sender keeps its message and its own memory: a process started for each message "
      "passes every mark.{}",
      chain_text(group, flow.outflow), refused_text(group));
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: a fixed number of senders per connection, with a bounded queue before them.";
  cure.steps = {"or send with nosuspend and handle what is turned away: it was neither queued nor sent"};
  cure.verify = fmt::format("tcpadvisor report --only {}: the number of suspended senders no longer grows", kId);
  finding.not_useful = {
      {"high_watermark, the busy limit", "a higher mark is reached a little later; then they pile up as before"},
      {"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF", "take some bytes once, and no senders"},
      {"net.ipv4.tcp_mem", "this memory is the program's, not the kernel's"},
  };
  finding.references = {"docs/distribution.md (which loop fills memory)", "docs/user-queues.md (suspended)"};
  return finding;
}

Outcome judge_user_queue_unbounded(const Evidence& in) {
  const QueueView& view = in.queues();
  if (!view.nobody.empty()) return no_queues(view);
  QueueGroups<Kind> groups;
  std::size_t tell = 0;
  bool too_early = false;
  for (const QueueStory& story : view.stories) {
    if (!story.live || !story.now->high) continue;
    ++tell;
    if (shutdown_waits(view, story)) continue;
    if (grows_past_its_mark(view, story)) {
      add_story(groups, Kind::bytes, story);
    } else if (!message_queue_holds(view, story) && senders_pile_up(view, story)) {
      add_story(groups, Kind::senders, story);
    }
    too_early |= !view.heard_throughout(story) && story.now->queued > *story.now->high;
  }
  Outcome outcome;
  for (const auto& [key, group] : groups) {
    bool bytes = std::get<Kind>(key) == Kind::bytes;
    outcome.findings.push_back(bytes ? bytes_finding(view, group, in.policy) : senders_finding(view, group, in.policy));
  }
  return queue_outcome(view, std::move(outcome.findings),
                       {.too_early = too_early,
                        .tell = tell,
                        .nobody_tells = "no program that publishes its queue tells its mark (high=)",
                        .fine = "published queues that grow past their mark, or whose suspended senders pile up"});
}

constexpr std::array kUserQueueUnboundedThresholds = {kMinCount, kSoon, kShareOfMemory};

}  // namespace
}  // namespace unbounded_queue_rule

namespace rules {

extern const Rule user_queue_unbounded = {
    .id = "user-queue-unbounded",
    .title = "a program's own queue grows past its mark",
    .explanation =
        "The mark at which senders should wait is passed and the queue grows on, or the queue keeps to its mark "
        "and suspended senders pile up before it. Either way memory is the only limit.",
    .thresholds = unbounded_queue_rule::kUserQueueUnboundedThresholds,
    .references = {},
    .explained_by = kSlowReader,
    .judge = unbounded_queue_rule::judge_user_queue_unbounded,
};

}  // namespace rules
}  // namespace tcpadvisor
