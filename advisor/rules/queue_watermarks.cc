// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/marks_on_path.h"
#include "advisor/rules/own_limit.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/user_queues.h"

namespace tcpadvisor {
namespace queue_watermarks_rule {
namespace {

constexpr std::string_view kId = "user-queue-watermark";
constexpr std::uint64_t kTinyMark = 1024;        // bytes: less than one segment
constexpr std::uint64_t kSmallestSndbuf = 4608;  // SOCK_MIN_SNDBUF, include/net/sock.h
constexpr std::uint64_t kSmallestRcvbuf = 2304;  // SOCK_MIN_RCVBUF

enum class Kind { smallest_buffers, not_taken, too_small, too_large };

bool has_smallest_buffers(const QueueStory& story) {
  bool send = story.row != nullptr && story.row->sndbuf && *story.row->sndbuf <= kSmallestSndbuf;
  bool receive = story.far != nullptr && story.far->rcvbuf && *story.far->rcvbuf <= kSmallestRcvbuf;
  return send || receive;
}

bool waits_at_tiny_mark(const QueueView& view, const QueueStory& story) {
  return story.now->high.value_or(kTinyMark + 1) <= kTinyMark && has_smallest_buffers(story) &&
         view.in_every_part(story, 1.0, holds_senders<PastQueue>);
}

/// Sends of s bytes that find an idle connection and return at once: K / s that the kernels take, one that finds the
/// queue empty (no check), and those that stay below the mark.
std::uint64_t returning_in_queue(std::uint64_t high, std::uint64_t s) {
  std::uint64_t below = high / s + (high % s != 0 ? 1 : 0);
  return std::max<std::uint64_t>(1, below > 0 ? below - 1 : 0);
}

/// The size of equal sends after which the queue holds exactly `queued` bytes when one has to wait. From half of the
/// mark on it takes two of them. `high` is a tiny mark: both numbers are a program's word, and only the mark bounds the
/// search.
std::optional<std::uint64_t> send_size(std::uint64_t queued, std::uint64_t high) {
  for (std::uint64_t s = 1; s <= std::min({queued, high, kTinyMark}); ++s) {
    if (mul_sat(s, returning_in_queue(high, s) + 1) == queued) return s;
  }
  bool two = queued % 2 == 0 && queued / 2 > std::min(high, kTinyMark);
  return two && returning_in_queue(high, queued / 2) == 1 ? std::optional(queued / 2) : std::nullopt;
}

std::string buffers_text(const QueueStory& story) {
  std::string out;
  if (story.row != nullptr && story.row->sndbuf) out = fmt::format("sndbuf {}", with_commas(*story.row->sndbuf));
  if (story.far != nullptr && story.far->rcvbuf) {
    out += fmt::format("{}rcvbuf {}", out.empty() ? "" : ", ", with_commas(*story.far->rcvbuf));
  }
  return out;
}

void explain_count(const UserQueue& queue, Recommendation& cure) {
  std::uint64_t elsewhere = add_sat(queue.queued, queue.dropped.value_or(0));
  if (!queue.accepted || *queue.accepted < elsewhere) return;
  std::uint64_t kernels = *queue.accepted - elsewhere;
  std::optional<std::uint64_t> s = send_size(queue.queued, *queue.high);
  if (!s) return;
  std::uint64_t in_queue = returning_in_queue(*queue.high, *s);
  std::uint64_t at_once = add_sat(kernels / *s, in_queue);
  cure.formula = fmt::format(
      "sends that return = K/s + max(1, ceil(high/s) - 1) = {}/{} + {} = {} (K: bytes in the kernels); with buffers of "
      "1 byte, K = 2, number {} would wait, not number {}",
      with_commas(kernels), *s, in_queue, with_commas(at_once), 2 / *s + in_queue + 1,
      with_commas(add_sat(at_once, 1)));
}

Finding smallest_buffers_finding(const QueueView& view, const QueueGroup& group) {
  const QueueStory& story = *group.front();
  const UserQueue& queue = *story.now;
  Flow flow = flow_of(view, story);
  Finding finding = about_queues(view, group, kId, Severity::warning, FindingClass::application,
                                 "senders are held back in every sample, at a mark of less than one segment");
  finding.topic = "smallest-buffers";
  std::uint64_t held = std::uint64_t{queue.waiting.value_or(0)} + queue.suspended.value_or(0);
  std::string who = held == 0 ? "senders" : counted(held, "sender");
  finding.title =
      fmt::format("{} lets {} wait at {}: its mark is {}, and {}", speaker_text(group), who,
                  counted(queue.queued, "byte"), with_commas(*queue.high), outflow_text(group, flow.outflow));
  finding.evidence.push_back(told(view, group, "queued_at_tiny_mark", static_cast<double>(queue.queued), "bytes",
                                  static_cast<double>(*queue.high)));
  std::string source = source_of(view.window->latest(), FactId::snapshot);
  if (story.row != nullptr && story.row->sndbuf) {
    finding.evidence.push_back(measured(*view.window, "sndbuf", source, static_cast<double>(*story.row->sndbuf),
                                        "bytes", static_cast<double>(kSmallestSndbuf)));
  }
  if (story.far != nullptr && story.far->rcvbuf) {
    finding.evidence.push_back(measured(*view.window, "peer_rcvbuf", source, static_cast<double>(*story.far->rcvbuf),
                                        "bytes", static_cast<double>(kSmallestRcvbuf)));
  }
  add_places(view, group, flow, finding.evidence);
  std::string sum;
  std::uint64_t there = add_sat(add_sat(queue.queued, story.row == nullptr ? 0 : story.row->send_q),
                                story.far == nullptr ? 0 : story.far->recv_q);
  if (queue.accepted && *queue.accepted == there) sum = fmt::format(", all {}", with_commas(there));
  finding.meaning = fmt::format(
      "Bytes: {}{}. The limit: the kernel's smallest buffers ({}). Senders wait at >= {} (an empty queue is not "
      "checked){}.",
      chain_text(group), sum, buffers_text(story), with_commas(*queue.high),
      queue.low ? fmt::format(" and go on at <= {}", with_commas(*queue.low)) : "");
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = "If this tests back-pressure, all is well; else set marks and buffers of kilobytes.";
  cure.verify = fmt::format("tcpadvisor report --only {}: no sender waits at a mark below {}", kId, kTinyMark);
  explain_count(queue, cure);
  finding.not_useful = {
      {"SO_SNDBUF=1, SO_RCVBUF=1", "the kernel takes at least its minimum, and counts its own overhead in it"},
      {"net.ipv4.tcp_wmem, net.ipv4.tcp_rmem", "the buffers were set by the application: these have no effect on them"},
      {"net.core.wmem_max, net.core.rmem_max", "limit what may be asked for from above, not from below"},
  };
  finding.references = {"include/net/sock.h: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF",
                        "inet(3): high_watermark, low_watermark"};
  return finding;
}

bool waits_for_the_peer(const QueueView& view, const QueueStory& story) {
  if (!view.in_every_part(story, 1.0, [](const PastQueue& queue) { return queue.queued > 0; })) return false;
  Flow flow = flow_of(view, story);
  return !flow.moves() && flow.outflow != Outflow::not_written;
}

std::string senders_text(const UserQueue& queue) {
  std::string limit = queue.high ? fmt::format("Its own limit is {}. ", with_commas(*queue.high)) : "";
  if (!holds_senders(queue)) return limit + "No sender waits yet.";
  bool told = queue.busy || queue.waiting || queue.suspended;
  return limit + (told ? "Senders wait, as they are meant to: back-pressure works."
                       : "It is past that: whoever heeds it waits now.");
}

Finding not_taken_finding(const QueueView& view, const QueueGroup& group) {
  const UserQueue& queue = *group.front()->now;
  Flow flow = flow_of(view, *group.front());
  std::uint64_t queued = total_queued(group);
  Finding finding =
      about_queues(view, group, kId, Severity::warning, FindingClass::peer, "in every window no byte left the queue");
  finding.topic = "not-taken";
  finding.title = fmt::format("{} has {} queued: {}", speaker_text(group), counted(queued, "byte"),
                              outflow_text(group, flow.outflow));
  std::optional<double> high;
  if (queue.high && group.size() == 1) high = static_cast<double>(*queue.high);
  finding.evidence.push_back(told(view, group, "bytes_at_risk", static_cast<double>(queued), "bytes", high));
  auto held = total(group, [](const UserQueue& one) {
    return std::optional<std::uint64_t>(std::uint64_t{one.waiting.value_or(0)} + one.suspended.value_or(0));
  });
  if (held > 0) finding.evidence.push_back(told(view, group, "senders_held", static_cast<double>(held), "count"));
  add_longest_wait(view, group, finding.evidence);
  if (queue.refused) {
    auto refused = total(group, [](const UserQueue& one) { return one.refused; });
    finding.evidence.push_back(told(view, group, "refused_sends", static_cast<double>(refused), "count"));
  }
  add_places(view, group, flow, finding.evidence);
  finding.meaning = fmt::format(
      "Bytes: {}. {}{} The ok of a send means queued, not sent: the driver queue is lost if the process ends, the rest "
      "if the connection does.",
      chain_text(group), senders_text(queue), refused_text(group));
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  cure.text = fmt::format("Make {} read, or end the connection: no setting moves these bytes.", peer_text(group));
  if (flow.outflow == Outflow::not_answered)
    cure.text = "Find out why the peer or the path is silent, or end the connection.";
  cure.steps.push_back("in the sender, a send time-out, after which the connection is given up");
  if (auto limit = own_limit_of(queue.comm))
    cure.steps.push_back(fmt::format("where {} keeps its limit: {}", queue.comm, *limit));
  cure.verify = fmt::format("tcpadvisor report --only {}: the queue moves", kId);
  finding.not_useful = settings_for_a_stalled_peer();
  finding.not_useful.push_back({"high_watermark, low_watermark", "say when senders wait, not how fast the peer reads"});
  finding.references = {"RFC 9293 section 3.8.6 (zero windows)", "docs/user-queues.md"};
  return finding;
}

bool never_empty(const QueueStory& story) {
  return std::ranges::none_of(story.then, [](const PastQueue* then) { return then != nullptr && then->queued == 0; });
}

std::optional<Kind> kind_of(const QueueView& view, const QueueStory& story) {
  if (waits_at_tiny_mark(view, story)) return Kind::smallest_buffers;
  if (waits_for_the_peer(view, story)) return Kind::not_taken;
  if (marks_too_small(view, story)) return Kind::too_small;
  if (marks_too_large(view, story)) return Kind::too_large;
  return std::nullopt;
}

Outcome judge_user_queue_watermark(const Evidence& in) {
  const QueueView& view = in.queues();
  if (!view.nobody.empty()) return no_queues(view);
  QueueGroups<Kind> groups;
  std::size_t live = 0, judged = 0, without_row = 0;
  bool too_early = false;
  for (const QueueStory& story : view.stories) {
    if (!story.live) continue;
    ++live;
    if (story.row == nullptr && story.now->queued > 0) ++without_row;
    // Other rules tell what is wrong with these.
    if (shutdown_waits(view, story) || grows_past_its_mark(view, story) || senders_pile_up(view, story) ||
        message_queue_holds(view, story)) {
      continue;
    }
    ++judged;
    if (std::optional<Kind> kind = kind_of(view, story)) add_story(groups, *kind, story);
    too_early |= !view.heard_throughout(story) && never_empty(story);
  }
  Outcome outcome;
  for (const auto& [key, group] : groups) {
    switch (std::get<Kind>(key)) {
      case Kind::smallest_buffers:
        outcome.findings.push_back(smallest_buffers_finding(view, group));
        break;
      case Kind::not_taken:
        outcome.findings.push_back(not_taken_finding(view, group));
        break;
      case Kind::too_small:
        outcome.findings.push_back(marks_too_small_finding(view, group));
        break;
      case Kind::too_large:
        outcome.findings.push_back(marks_too_large_finding(view, group));
        break;
    }
  }
  if (outcome.findings.empty() && !view.parts.empty() && live > 0) {
    if (without_row > 0) {
      return Outcome::unknown(fmt::format("the sockets of {} with queued bytes are not in the list of connections",
                                          counted(without_row, "published queue")));
    }
    if (judged == 0) return {};  // others have told what is wrong with all of them
  }
  return queue_outcome(view, std::move(outcome.findings),
                       {.too_early = view.parts.empty() || too_early,
                        .tell = live > 0 ? judged : 0,
                        .nobody_tells = "the connections that programs spoke for have ended",
                        .fine = "published queues that wait for a silent peer or whose marks do not fit the path"});
}

}  // namespace
}  // namespace queue_watermarks_rule

namespace rules {

extern const Rule user_queue_watermark = {
    .id = "user-queue-watermark",
    .title = "the marks of a program's own queue do not fit",
    .explanation =
        "What a program queues before its socket does not fit the path behind it: the peer takes nothing, or "
        "the marks hold senders too early, or too late.",
    .thresholds = {},
    .references = {},
    .explained_by = kSlowReader,
    .judge = queue_watermarks_rule::judge_user_queue_watermark,
};

}  // namespace rules
}  // namespace tcpadvisor
