// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/user_queues.h"

namespace tcpadvisor {
namespace pending_shutdown_rule {
namespace {

constexpr std::string_view kId = "pending-shutdown-data";

enum class Kind { dropped, stalled, draining };

/// The last stretch in which each word said that the shutdown waits.
double waits_for_s(const QueueView& view, const QueueStory& story) {
  const Window& window = *view.window;
  std::size_t since = window.samples() - 1;
  while (since > 0 && story.then[since - 1] != nullptr && story.then[since - 1]->pending_shutdown.value_or(false))
    --since;
  return window.span_s() - window.seconds_at(since);
}

bool shutdown_was_pending(const QueueGroup& group) {
  return std::ranges::any_of(group, [](const QueueStory* story) {
    return std::ranges::any_of(
        story->then, [](const PastQueue* then) { return then != nullptr && then->pending_shutdown.value_or(false); });
  });
}

std::string bytes_text(std::uint64_t bytes) {
  return counted(bytes, "byte");
}

Finding dropped_finding(const QueueView& view, const QueueGroup& group) {
  Finding finding =
      about_queues(view, group, kId, Severity::critical, FindingClass::application, "the program itself counts them");
  finding.topic = "dropped";
  finding.confidence = Confidence::high;  // a count needs no window
  finding.confidence_why = "the program itself counts them";
  auto dropped = total(group, [](const UserQueue& queue) { return queue.dropped; });
  auto accepted = total(group, [](const UserQueue& queue) { return queue.accepted; });
  Flow flow = flow_of(view, *group.front());
  finding.title = fmt::format("{} threw away {} that it had accepted for {}", speaker_text(group), bytes_text(dropped),
                              group.size() == 1 ? group.front()->now->remote.text() : peer_text(group));
  finding.evidence.push_back(told(view, group, "dropped_bytes", static_cast<double>(dropped), "bytes", 0));
  if (accepted > 0) {
    finding.evidence.push_back(told(view, group, "accepted_bytes", static_cast<double>(accepted), "bytes"));
  }
  finding.evidence.push_back(told(view, group, "user_queue", static_cast<double>(total_queued(group)), "bytes"));
  add_places(view, group, flow, finding.evidence);

  finding.meaning = fmt::format("Lost: {} of the bytes that senders were told are accepted never reach the kernel.",
                                with_commas(dropped));
  const UserQueue& first = *group.front()->now;
  if (group.size() == 1 && accepted >= add_sat(dropped, first.queued)) {
    finding.meaning = fmt::format("Lost: of {} accepted bytes the kernel took {}; {} are gone.", with_commas(accepted),
                                  with_commas(accepted - dropped - first.queued), with_commas(dropped));
  }
  if (group.front()->row != nullptr && !flow.moves() && flow.outflow != Outflow::not_written) {
    finding.meaning += fmt::format(" Now: {}.", chain_text(group, flow.outflow));
  }
  if (shutdown_was_pending(group)) finding.meaning += " A shutdown waited, then went ahead.";
  finding.meaning += " A notice such as empty_out_q only says that the queue is empty.";

  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "Fix the application: let the peer confirm what it has read, and send the rest again.";
  cure.steps = {"Erlang before OTP 18 gives up after 5 s without progress, later ones wait"};
  cure.verify = fmt::format("tcpadvisor report --only {}: no dropped bytes in the next runs", kId);
  finding.not_useful = settings_for_a_stalled_peer();
  finding.not_useful.push_back(
      {"high_watermark, low_watermark", "say when senders wait, not what becomes of the bytes"});
  finding.references = {"docs/user-queues.md (dropped)", "gen_tcp(3): shutdown/2, close/1; inet(3): linger"};
  return finding;
}

Finding waiting_finding(const QueueView& view, const QueueGroup& group) {
  Flow flow = flow_of(view, *group.front());
  std::uint64_t queued = total_queued(group);
  bool draining = flow.moves();
  FindingClass blame =
      draining || flow.outflow == Outflow::not_written ? FindingClass::application : FindingClass::peer;
  Finding finding = about_queues(view, group, kId, draining ? Severity::info : Severity::warning, blame,
                                 draining ? "the queue shrinks" : "in every window no byte left the queue");
  finding.topic = draining ? "draining" : "stalled";
  finding.evidence.push_back(
      told(view, group, draining ? "draining_bytes" : "bytes_at_risk", static_cast<double>(queued), "bytes", 0));
  finding.evidence.push_back(
      told(view, group, "shutdown_pending_for", waits_for_s(view, *group.front()), "s", flow.span_s));
  add_places(view, group, flow, finding.evidence);
  finding.meaning = fmt::format(
      "Bytes: {}. Shutdown has returned, but no FIN goes out until the driver queue is empty: nothing has failed, and "
      "the {} are not sent. They are lost if the program ends, sends again or sees the peer close.",
      chain_text(group), with_commas(queued));
  finding.references = {"docs/user-queues.md (pending_shutdown)", "RFC 9293 section 3.8.6 (zero windows)"};
  finding.not_useful = settings_for_a_stalled_peer();

  Recommendation& cure = finding.recommendation;
  cure.verify = fmt::format("tcpadvisor report --only {}: no finding, and the peer has seen the end", kId);
  if (draining) {
    double left_s = flow.per_s > 0 ? static_cast<double>(group.front()->now->queued) / flow.per_s : 0;
    finding.title = fmt::format("{} finishes a shutdown: {} still queued for {}", speaker_text(group),
                                bytes_text(queued), peer_text(group));
    finding.evidence.push_back(told(view, group, "leaves_the_queue", flow.per_s, "bytes/s"));
    finding.evidence.back().window_s = flow.span_s;
    cure.kind = RecommendationKind::none;
    cure.text = fmt::format("Change nothing: at {}/s the queue is empty in {}; let the process live until then.",
                            human_bytes(to_u64(flow.per_s)), seconds_text(left_s));
    cure.steps = {"do not send on it again, and do not close it with linger 0: both drop the queue"};
    return finding;
  }
  finding.title = fmt::format("{} has shut down with {} still queued: {}", speaker_text(group), bytes_text(queued),
                              outflow_text(group, flow.outflow));
  if (flow.outflow == Outflow::not_written) {
    cure.kind = RecommendationKind::application;
    cure.text = "Fix the application: the kernel has room (Send-Q is empty), but the program does not write its queue.";
    return finding;
  }
  cure.kind = RecommendationKind::peer;
  cure.text = fmt::format("Make {} read, or end the connection: no setting moves these bytes.", peer_text(group));
  if (flow.outflow == Outflow::not_answered)
    cure.text = "Find out why the peer or the path is silent, or end the connection.";
  cure.steps.push_back("in the sender, limit the time that a send or a shutdown may take");
  return finding;
}

Outcome judge_pending_shutdown_data(const Evidence& in) {
  const QueueView& view = in.queues();
  if (!view.nobody.empty()) return no_queues(view);
  QueueGroups<Kind> groups;
  std::size_t tell = 0;
  bool too_early = false;
  for (const QueueStory& story : view.stories) {
    const UserQueue& queue = *story.now;
    if (!queue.pending_shutdown && !queue.dropped) continue;
    ++tell;
    if (queue.dropped.value_or(0) > 0) {
      add_story(groups, Kind::dropped, story);
    } else if (shutdown_waits(view, story)) {
      add_story(groups, flow_of(view, story).moves() ? Kind::draining : Kind::stalled, story);
    } else {
      too_early |= !view.heard_throughout(story) && queue.pending_shutdown.value_or(false) && queue.queued > 0;
    }
  }
  Outcome outcome;
  for (const auto& [key, group] : groups) {
    bool dropped = std::get<Kind>(key) == Kind::dropped;
    outcome.findings.push_back(dropped ? dropped_finding(view, group) : waiting_finding(view, group));
  }
  return queue_outcome(view, std::move(outcome.findings),
                       {.too_early = too_early,
                        .tell = tell,
                        .nobody_tells = "no program that publishes its queue tells pending_shutdown= or dropped=",
                        .fine = "published queues with data behind a shutdown, or with dropped data"});
}

}  // namespace
}  // namespace pending_shutdown_rule

namespace rules {

extern const Rule pending_shutdown_data = {
    .id = "pending-shutdown-data",
    .title = "a program shut down with data in its own queue, or dropped it",
    .explanation =
        "A program that queues in front of its socket has shut down writing while data waited in that queue. "
        "Nothing has failed yet, but no FIN goes out before the queue is empty, and what is still in it is lost "
        "if the program ends.",
    .thresholds = {},
    .references = {},
    .explained_by = kSlowReader,
    .judge = pending_shutdown_rule::judge_pending_shutdown_data,
};

}  // namespace rules
}  // namespace tcpadvisor
