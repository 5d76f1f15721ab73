// SPDX-License-Identifier: Apache-2.0
// The queues that programs keep in front of their sockets, over the window: what the user-queue rules start from.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/policy.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {

/// One connection whose program speaks about its own queue.
struct QueueStory {
  const UserQueue* now = nullptr;      ///< the last word, never null
  std::vector<const PastQueue*> then;  ///< one per tick of the window, null where nobody spoke for it
  bool live = false;                   ///< spoken for in the latest sample, and not ended
  const SocketRow* row = nullptr;      ///< its socket in the latest sample, if it has a row
  const SocketRow* far = nullptr;      ///< the other end, if it is on this host
};

/// The window as these rules see it.
struct QueueView {
  struct Part {
    std::size_t first = 0, last = 0;  ///< samples of one policy window; neighbours share one
  };
  const Window* window = nullptr;
  std::vector<QueueStory> stories;  ///< by process, then by connection
  PolicyWindows windows;
  std::vector<Part> parts;  ///< of windows.parts; the first begins when all speakers have had time to speak
  std::string nobody;       ///< why no queue is known; empty when one is
  bool deaf = false;        ///< nobody is known because no word can be heard, or was believed; else nobody speaks
  /// So many more suspended senders are a pile: min_count of user-queue-unbounded, for the rules beside it as well.
  std::uint32_t pile = 0;

  /// The program has been heard since the first policy window began. Else what it says is true of its time only.
  bool heard_throughout(const QueueStory& story) const {
    return !parts.empty() && story.then[parts.front().first] != nullptr;
  }

  /// In each policy window the program spoke in every sample, and `holds(const PastQueue&)` in at least this share of
  /// them.
  template <typename Predicate>
  bool in_every_part(const QueueStory& story, double share, Predicate holds) const {
    auto in_part = [&](const Part& part) {
      std::size_t hits = 0;
      for (std::size_t i = part.first; i <= part.last; ++i) {
        if (story.then[i] == nullptr) return false;
        hits += holds(*story.then[i]) ? 1 : 0;
      }
      return static_cast<double>(hits) >= share * static_cast<double>(part.last - part.first + 1);
    };
    return !parts.empty() && std::ranges::all_of(parts, in_part);
  }
};

QueueView view_queues(const Window& window, const Policy& policy);

/// What becomes of the bytes behind the program's queue, over the policy windows.
enum class Outflow : std::uint8_t {
  moving,        ///< some leave
  not_read,      ///< the peer's window is closed, or what it received lies unread
  not_answered,  ///< the kernel sends again and again
  not_taken,     ///< nothing leaves, and nothing shows why
  not_written,   ///< Send-Q is empty: the program itself does not hand them on
};
struct Flow {
  Outflow outflow = Outflow::moving;
  double per_s = 0;  ///< bytes that leave: taken by the kernel or acknowledged, whichever is more
  double span_s = 0;
  std::optional<double> acked;  ///< by the peer, in that time
  bool moves() const { return outflow == Outflow::moving; }
};
Flow flow_of(const QueueView& view, const QueueStory& story);

/// The program lets senders wait: at the marks if it tells, else because the queue is at its mark.
template <typename Queue>  // UserQueue, or what is kept of it
bool holds_senders(const Queue& queue) {
  if (queue.busy) return *queue.busy;
  if (queue.waiting || queue.suspended) return queue.waiting.value_or(0) > 0 || queue.suspended.value_or(0) > 0;
  return queue.high && queue.queued >= *queue.high;
}
/// The mark from which on senders wait is passed, and more and more is accepted all the same.
bool grows_past_its_mark(const QueueView& view, const QueueStory& story);
/// The queue keeps to its mark, but more and more senders are suspended in front of it.
bool senders_pile_up(const QueueView& view, const QueueStory& story);
/// Senders wait for the message queue although the queue behind it is short.
bool message_queue_holds(const QueueView& view, const QueueStory& story);
/// The program has shut down writing, and data waited in its queue all the time.
bool shutdown_waits(const QueueView& view, const QueueStory& story);

/// Connections of one process that tell the same story, the one with the most bytes first.
using QueueGroup = std::vector<const QueueStory*>;
template <typename Kind>
using QueueGroups = std::map<std::tuple<Kind, Pid, NetnsId>, QueueGroup>;
template <typename Kind>
void add_story(QueueGroups<Kind>& groups, Kind kind, const QueueStory& story) {
  QueueGroup& group = groups[{kind, story.now->pid, story.now->netns}];
  auto queued = [](const QueueStory* one) { return one->now->queued; };
  group.insert(std::ranges::upper_bound(group, story.now->queued, std::ranges::greater{}, queued), &story);
}

/// Sums `read(const UserQueue&)`, an optional number, over the last words.
template <typename Read>
std::uint64_t total(const QueueGroup& group, Read read) {
  std::uint64_t sum = 0;
  for (const QueueStory* story : group) sum = add_sat(sum, std::optional<std::uint64_t>(read(*story->now)).value_or(0));
  return sum;
}
std::uint64_t total_queued(const QueueGroup& group);

/// A finding with id, class, severity, scope and confidence; the rest is the rule's.
Finding about_queues(const QueueView& view, const QueueGroup& group, std::string_view id, Severity severity,
                     FindingClass finding_class, std::string confidence_why);
/// "beam.smp[812]"
std::string speaker_text(const QueueGroup& group);
/// "client[4711] at 127.0.0.1:5000" or only the address; "3 connections" for more than one.
std::string peer_text(const QueueGroup& group);
std::string outflow_text(const QueueGroup& group, Outflow outflow);  ///< "10.0.0.2:80 does not read"
/// "driver queue 778,763 → Send-Q 130,944 (none sent) → window 0 → Recv-Q 4,096 of client[7]", of the first one.
std::string chain_text(const QueueGroup& group);
std::string chain_text(const QueueGroup& group, Outflow outflow);  ///< with "; it does not read"
/// " 12 sends were turned away: neither queued nor sent."; empty if none was.
std::string refused_text(const QueueGroup& group);
/// What the program said; `value` is of the latest word.
Measurement told(const QueueView& view, const QueueGroup& group, std::string metric, double value, std::string unit,
                 std::optional<double> threshold = std::nullopt);
/// How long the sender that has waited longest has waited; nothing when no program of the group tells.
void add_longest_wait(const QueueView& view, const QueueGroup& group, std::vector<Measurement>& out);
/// Bytes in each place behind the program's queue, the peer's window and what it acknowledged.
void add_places(const QueueView& view, const QueueGroup& group, const Flow& flow, std::vector<Measurement>& out);
/// A reader on this host is why a program's own queue fills. The story is told once, at the queue, where it shows what
/// is at risk; the reader stays a finding of its own as far as it keeps others waiting.
inline constexpr std::array kSlowReader = {ExplainedBy{"reader-too-slow", Link::unread_ends, Then::tell_here}};

/// What a rule over published queues says in the end.
struct QueueEnd {
  bool too_early = false;         ///< one may be about to fire: the windows are too few, or it was not heard in all
  std::size_t tell = 0;           ///< queues whose programs tell what the rule needs
  std::string_view nobody_tells;  ///< what to say if there are none
  std::string_view fine;          ///< what it counts, of which there are none
};
/// For a view in which nobody speaks.
Outcome no_queues(const QueueView& view);
Outcome queue_outcome(const QueueView& view, std::vector<Finding> findings, const QueueEnd& end);
/// Why no setting moves bytes that the peer does not take.
std::vector<NotUseful> settings_for_a_stalled_peer();

}  // namespace tcpadvisor
