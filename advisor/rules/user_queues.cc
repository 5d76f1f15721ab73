// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/user_queues.h"

#include <fmt/format.h>

#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/holding.h"

namespace tcpadvisor {
namespace {

constexpr std::uint8_t kBackoff = 2;  // unanswered retransmissions in a row
constexpr double kShareOfSamples = 0.5;

/// Why nobody's queue is known, though somebody may speak; empty if nobody does.
std::string why_deaf(const Sample& now) {
  const FactCoverage* fact = now.fact(FactId::user_queues);
  if (fact != nullptr && fact->in_use.empty() && !fact->attempts.empty()) {
    return "no queue of a program can be heard: " + fact->attempts.back().why_not;
  }
  auto refused = now.self.lost.find("user_queues_refused");
  if (refused == now.self.lost.end() || refused->second == 0) return "";
  return fmt::format("no word about a program's queue was believed, {} refused: tcpadvisor doctor says why",
                     counted(refused->second, "line"));
}

std::vector<QueueStory> stories_of(const Window& window) {
  std::vector<QueueStory> out;
  auto add = [&](const UserQueue& queue, bool live) {
    QueueStory& story = out.emplace_back();
    story.now = &queue;
    story.live = live;
    story.then.reserve(window.samples());
    std::uint64_t key = past_key(queue);
    for (std::size_t i = 0; i < window.samples(); ++i) story.then.push_back(window.at(i).queues.find(key));
  };
  for (const UserQueue& queue : window.last_words()) add(queue, false);
  for (const UserQueue& queue : window.latest().user_queues) add(queue, !queue.ended);
  std::ranges::stable_sort(out, {}, [](const QueueStory& story) {
    return std::tie(story.now->pid, story.now->netns, story.now->local, story.now->remote);
  });
  return out;
}

/// Bytes that have left the program's queue for the kernel, counted from anywhere.
std::optional<double> handed_on(const PastQueue& queue) {
  if (!queue.accepted) return std::nullopt;
  return static_cast<double>(*queue.accepted) - static_cast<double>(queue.queued) -
         static_cast<double>(queue.dropped.value_or(0));
}

bool unread_at_far_end(const QueueStory& story) {
  return story.far != nullptr && story.far->recv_q > 0;
}

/// " (none sent)", " (all in flight)", " (not sent 10, in flight 20)"; nothing if that is not known.
std::string split_text(const SocketRow& row) {
  if (!row.not_sent || row.send_q == 0) return "";
  std::uint64_t not_sent = std::min(*row.not_sent, row.send_q);
  if (not_sent == row.send_q) return " (none sent)";
  if (not_sent == 0) return " (all in flight)";
  return fmt::format(" (not sent {}, in flight {})", with_commas(not_sent), with_commas(row.send_q - not_sent));
}

/// "client[4711]", or the address if its process is not known.
std::string peer_name(const QueueStory& story) {
  if (story.far == nullptr || !story.far->owner) return story.now->remote.text();
  return fmt::format("{}[{}]", story.far->owner->comm, story.far->owner->pid);
}

std::uint64_t bytes_in_kernel(const QueueStory& story) {
  return story.row == nullptr ? 0 : story.row->send_q;
}

std::string outflow_text(const std::string& peer, bool one, Outflow outflow) {
  switch (outflow) {
    case Outflow::moving:
      return fmt::format("{} {} slowly", peer, one ? "reads" : "read");
    case Outflow::not_read:
      return fmt::format("{} {} not read", peer, one ? "does" : "do");
    case Outflow::not_answered:
      return fmt::format("{} {} not answer", peer, one ? "does" : "do");
    case Outflow::not_taken:
      return fmt::format("{} {} nothing", peer, one ? "takes" : "take");
    case Outflow::not_written:
      return "the program does not write, although Send-Q is empty";
  }
  return peer;
}

/// Speakers are not asked, they say how they are at least once a second (docs/user-queues.md): what they had not yet
/// said in the first samples is unknown, and no "no". The first window begins with the first word of the last of them,
/// unless that one came later than they have time for, or nothing of the window would be left.
void begin_when_heard(QueueView& view) {
  constexpr double kRenewalS = 2;
  if (view.parts.empty()) return;
  QueueView::Part& part = view.parts.front();
  const std::size_t begin = part.first;
  for (const QueueStory& story : view.stories) {
    std::size_t heard = begin;
    while (heard < part.last && story.then[heard] == nullptr) ++heard;
    if (heard < part.last && view.window->seconds_at(heard) - view.window->seconds_at(begin) <= kRenewalS)
      part.first = std::max(part.first, heard);
  }
}

}  // namespace

QueueView view_queues(const Window& window, const Policy& policy) {
  QueueView view{.window = &window,
                 .stories = stories_of(window),
                 .windows = policy_windows(window, policy),
                 .parts = {},
                 .nobody = {},
                 .deaf = false,
                 .pile = policy.of("user-queue-unbounded").min_count};
  if (view.stories.empty()) {
    view.nobody = why_deaf(window.latest());
    view.deaf = !view.nobody.empty();
    if (!view.deaf)
      view.nobody = "no program publishes its own queue (docs/user-queues.md), and from outside it cannot be seen";
    return view;
  }
  for (QueueStory& story : view.stories) {
    story.row = window.connections().row_of(*story.now);
    story.far = window.connections().other_end(*story.now);
  }
  for (const Past& part : view.windows.parts) {
    QueueView::Part range;
    while (&window.at(range.first) != &part.first()) ++range.first;
    range.last = range.first + part.samples() - 1;
    view.parts.push_back(range);
  }
  begin_when_heard(view);
  return view;
}

Flow flow_of(const QueueView& view, const QueueStory& story) {
  const Window& window = *view.window;
  std::size_t first = view.parts.empty() ? 0 : view.parts.front().first, last = window.samples() - 1;
  Flow flow{.outflow = Outflow::moving,
            .per_s = 0,
            .span_s = window.seconds_at(last) - window.seconds_at(first),
            .acked = {}};
  Series handed, queued, acked;
  std::vector<const PastRow*> rows;
  if (story.row != nullptr) rows = window.history(*story.row);
  for (std::size_t i = first; i <= last; ++i) {
    auto t_s = static_cast<double>(i);
    if (const PastQueue* then = story.then[i]) {
      queued.add(t_s, static_cast<double>(then->queued));
      if (auto bytes = handed_on(*then)) handed.add(t_s, *bytes);
    }
    if (!rows.empty() && rows[i] != nullptr && rows[i]->bytes_acked) {
      acked.add(t_s, static_cast<double>(*rows[i]->bytes_acked));
    }
  }
  // Without the counter a queue that shrinks is the only sign.
  double left = handed.size() >= 2 ? handed.last() - handed.first() : queued.first() - queued.last();
  if (acked.size() >= 2) flow.acked = acked.increase();
  double moved = std::max(left, flow.acked.value_or(0));
  if (moved > 0) {
    if (flow.span_s > 0) flow.per_s = moved / flow.span_s;
    return flow;
  }
  const SocketRow* row = story.row;
  if (row == nullptr) {
    flow.outflow = unread_at_far_end(story) ? Outflow::not_read : Outflow::not_taken;
  } else if (row->send_q == 0) {
    flow.outflow = Outflow::not_written;
  } else if (row->snd_wnd == 0u || row->timer == Timer::persist || unread_at_far_end(story)) {
    flow.outflow = Outflow::not_read;
  } else if (row->timer == Timer::retransmit && row->backoff.value_or(0) >= kBackoff) {
    flow.outflow = Outflow::not_answered;
  } else {
    flow.outflow = Outflow::not_taken;
  }
  return flow;
}

bool grows_past_its_mark(const QueueView& view, const QueueStory& story) {
  if (!story.live || view.parts.empty()) return false;
  return std::ranges::all_of(view.parts, [&](const QueueView::Part& part) {
    const PastQueue* before = story.then[part.first];
    for (std::size_t i = part.first; i <= part.last; ++i) {
      const PastQueue* then = story.then[i];
      if (then == nullptr || !then->high || then->queued <= *then->high) return false;
      if (then->queued < before->queued) return false;  // it drains in between: large sends look like this
    }
    const PastQueue* after = story.then[part.last];
    bool may_grow =
        after->bypassed && before->bypassed ? *after->bypassed > *before->bypassed : after->busy.value_or(false);
    return after->queued > before->queued && may_grow;
  });
}

bool senders_pile_up(const QueueView& view, const QueueStory& story) {
  if (!story.live || !view.in_every_part(story, 1.0, holds_senders<PastQueue>)) return false;
  auto suspended = [&](std::size_t i) { return story.then[i]->suspended.value_or(0); };
  bool rises = std::ranges::all_of(
      view.parts, [&](const QueueView::Part& part) { return suspended(part.last) > suspended(part.first); });
  return rises &&
         suspended(view.parts.back().last) >= add_sat(std::uint64_t{suspended(view.parts.front().first)}, view.pile);
}

bool message_queue_holds(const QueueView& view, const QueueStory& story) {
  return story.live && view.in_every_part(story, kShareOfSamples, [](const PastQueue& queue) {
    bool short_queue = (queue.high && queue.queued < *queue.high) || queue.busy == false;
    return queue.message_busy.value_or(false) && queue.suspended.value_or(0) > 0 && short_queue;
  });
}

bool shutdown_waits(const QueueView& view, const QueueStory& story) {
  return story.live && view.in_every_part(story, 1.0, [](const PastQueue& queue) {
    return queue.pending_shutdown.value_or(false) && queue.queued > 0;
  });
}

std::uint64_t total_queued(const QueueGroup& group) {
  return total(group, [](const UserQueue& queue) { return queue.queued; });
}

Finding about_queues(const QueueView& view, const QueueGroup& group, std::string_view id, Severity severity,
                     FindingClass finding_class, std::string confidence_why) {
  const Sample& now = view.window->latest();
  const UserQueue& first = *group.front()->now;
  Finding finding;
  finding.id = std::string(id);
  finding.severity = severity;
  finding.finding_class = finding_class;
  finding.confidence_why = std::move(confidence_why);
  if (view.windows.shortened) {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; " + view.windows.why;
  }
  std::vector<Endpoint> locals, remotes;
  for (const QueueStory* story : group) {
    locals.push_back(story->now->local);
    remotes.push_back(story->now->remote);
  }
  const OwnerTotals* owner = view.window->connections().owner(first.pid);
  finding.scope = {.kind = ScopeKind::process,
                   .netns = first.netns,
                   .netns_name = netns_name(now, first.netns),
                   .pid = first.pid,
                   .comm = first.comm,
                   .cgroup = owner == nullptr ? "" : owner->cgroup,
                   .local = common_end(locals),
                   .remote = common_end(remotes),
                   .count = group.size()};
  return finding;
}

std::string speaker_text(const QueueGroup& group) {
  const UserQueue& queue = *group.front()->now;
  return fmt::format("{}[{}]", queue.comm, queue.pid);
}

std::string peer_text(const QueueGroup& group) {
  if (group.size() > 1) return counted(group.size(), "connection");
  std::string name = peer_name(*group.front()), address = group.front()->now->remote.text();
  return name == address ? address : fmt::format("{} at {}", name, address);
}

std::string outflow_text(const QueueGroup& group, Outflow outflow) {
  bool one = group.size() == 1;
  return outflow_text(one ? peer_name(*group.front()) : "the peers of " + peer_text(group), one, outflow);
}

std::string chain_text(const QueueGroup& group) {
  const QueueStory& story = *group.front();
  std::string out = fmt::format("driver queue {}", with_commas(story.now->queued));
  if (const SocketRow* row = story.row) {
    out += fmt::format(" → Send-Q {}{}", with_commas(row->send_q), split_text(*row));
    if (row->snd_wnd) out += fmt::format(" → window {}", with_commas(*row->snd_wnd));
  } else {
    out += " → Send-Q not visible";
  }
  if (story.far != nullptr) {
    out += fmt::format(" → Recv-Q {} of {}", with_commas(story.far->recv_q), peer_name(story));
  } else {
    out += fmt::format(" → Recv-Q of {} (not on this host)", story.now->remote.text());
  }
  return out;
}

std::string chain_text(const QueueGroup& group, Outflow outflow) {
  return fmt::format("{}; {}", chain_text(group), outflow_text("it", true, outflow));
}

std::string refused_text(const QueueGroup& group) {
  auto refused = total(group, [](const UserQueue& queue) { return queue.refused; });
  if (refused == 0) return "";
  return fmt::format(" {} {} turned away: neither queued nor sent.", counted(refused, "send"),
                     refused == 1 ? "was" : "were");
}

Measurement told(const QueueView& view, const QueueGroup& group, std::string metric, double value, std::string unit,
                 std::optional<double> threshold) {
  Measurement out =
      measured(*view.window, std::move(metric), "told by " + speaker_text(group), value, std::move(unit), threshold);
  out.samples = view.window->samples() - static_cast<std::size_t>(std::ranges::count(group.front()->then, nullptr));
  return out;
}

void add_longest_wait(const QueueView& view, const QueueGroup& group, std::vector<Measurement>& out) {
  std::optional<std::uint64_t> longest_ms;
  for (const auto& story : group) longest_ms = std::max(longest_ms, story->now->waited_ms);  // nothing is the least
  if (!longest_ms) return;
  out.push_back(told(view, group, "longest_wait", static_cast<double>(*longest_ms) / 1000, "s"));
}

void add_places(const QueueView& view, const QueueGroup& group, const Flow& flow, std::vector<Measurement>& out) {
  const Window& window = *view.window;
  std::string source = source_of(window.latest(), FactId::snapshot);
  std::uint64_t send_q = 0, not_sent = 0, recv_q = 0;
  bool split = true, far = false, near = false;
  for (const QueueStory* story : group) {
    send_q = add_sat(send_q, bytes_in_kernel(*story));
    near |= story->row != nullptr;
    split &= story->row != nullptr && story->row->not_sent.has_value();
    if (story->row != nullptr) {
      not_sent = add_sat(not_sent, std::min(story->row->not_sent.value_or(0), story->row->send_q));
    }
    far |= story->far != nullptr;
    if (story->far != nullptr) recv_q = add_sat(recv_q, story->far->recv_q);
  }
  auto add = [&](const char* metric, double value, const char* unit) {
    out.push_back(measured(window, metric, source, value, unit));
  };
  if (near) add("send_q", static_cast<double>(send_q), "bytes");
  if (near && split) {
    add("not_sent", static_cast<double>(not_sent), "bytes");
    add("in_flight", static_cast<double>(send_q - not_sent), "bytes");
  }
  if (far) add("peer_recv_q", static_cast<double>(recv_q), "bytes");
  const SocketRow* row = group.front()->row;
  if (row != nullptr && row->snd_wnd) add("peer_window", *row->snd_wnd, "bytes");
  if (flow.acked) {
    add("acknowledged", *flow.acked, "bytes");
    out.back().window_s = flow.span_s;
  }
}

Outcome no_queues(const QueueView& view) {
  return view.deaf ? Outcome::unknown(view.nobody) : Outcome::absent(view.nobody);
}

Outcome queue_outcome(const QueueView& view, std::vector<Finding> findings, const QueueEnd& end) {
  if (findings.empty() && !end.too_early && end.tell == 0) return Outcome::absent(std::string(end.nobody_tells));
  std::string why_not;
  if (end.too_early) {
    why_not =
        !view.parts.empty() ? "a queue was heard for a part of the time only: observe for longer" : view.windows.why;
  }
  return Outcome::of(std::move(findings), std::move(why_not), std::string(end.fine),
                     fmt::format("0 of {}", with_commas(end.tell)));
}

std::vector<NotUseful> settings_for_a_stalled_peer() {
  return {{"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF",
           "only move bytes from the program's queue into Send-Q; the peer reads no faster"},
          {"net.ipv4.tcp_rmem, net.core.rmem_max", "a larger buffer at the peer fills as well, a little later"},
          {"net.core.somaxconn", "is about connections that wait for accept(); these are established"},
          {"net.ipv4.tcp_retries2, net.ipv4.tcp_keepalive_*",
           "the peer's kernel answers every probe of a closed window, so no timer ends this"}};
}

}  // namespace tcpadvisor
