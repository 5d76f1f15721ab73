// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/marks_on_path.h"

#include <fmt/format.h>

#include <cmath>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kId = "user-queue-watermark";
constexpr double kLatencyBudgetS = 0.5;  // what may wait in front of the path
constexpr double kDrainedShare = 0.25;   // of the samples
constexpr double kLimitedShare = 0.10;   // of the time, by the peer's window or the send buffer
constexpr double kPathUse = 0.5;         // of cwnd x mss / srtt
constexpr double kMostSpeedUp = 10;      // a path estimate beyond this is not worth planning for
constexpr double kMinBytesPerS = 64 * 1024;
constexpr double kRoomAboveLow = 64 * 1024;

std::uint64_t rounded(double bytes) {
  return to_u64(std::round(bytes));
}

struct Path {
  double rate = 0;   ///< bytes per second that the queue passes on now
  double could = 0;  ///< cwnd x mss / srtt, the median of the window; 0 if not known
  double rtt_s = 0;
  double delay_s = 0;  ///< from send() to the wire: all that is queued, at this rate
};

Path path_of(const QueueView& view, const QueueStory& story) {
  Path path;
  const SocketRow* row = story.row;
  if (row == nullptr) return path;
  path.rate = flow_of(view, story).per_s;
  path.rtt_s = row->min_rtt_us.value_or(row->srtt_us.value_or(0)) / 1e6;
  // The median, not the last: BBR narrows the window to 4 segments every 10 s, to measure the path (tcp_bbr.c,
  // PROBE_RTT).
  Series segments_per_s = view.window->socket_series(*row, [](const PastRow& then) -> std::optional<double> {
    if (!then.snd_cwnd || then.srtt_us.value_or(0) == 0) return std::nullopt;
    return *then.snd_cwnd * 1e6 / *then.srtt_us;
  });
  if (!segments_per_s.empty()) path.could = segments_per_s.percentile(50) * row->mss.value_or(0);
  Series queued;
  for (std::size_t i = view.parts.front().first; i <= view.parts.back().last; ++i) {
    if (story.then[i] != nullptr) queued.add(static_cast<double>(i), static_cast<double>(story.then[i]->queued));
  }
  if (path.rate > 0) path.delay_s = (queued.percentile(50) + static_cast<double>(row->send_q)) / path.rate;
  return path;
}

/// Neither the peer's window nor the send buffer holds the kernel back: it has nothing to send.
bool kernel_starves(const QueueView& view, const QueueStory& story) {
  const Window& window = *view.window;
  Series starved = window.socket_series(*story.row, [](const PastRow& row) -> std::optional<double> {
    if (!row.app_limited) return std::nullopt;
    return *row.app_limited ? 1 : 0;
  });
  if (starved.empty() || starved.share([](double yes) { return yes > 0; }) < 0.5) return false;
  for (auto limited : {&PastRow::rwnd_limited_us, &PastRow::sndbuf_limited_us}) {
    Series time = window.socket_series(*story.row, [&](const PastRow& row) -> std::optional<double> {
      if (!(row.*limited)) return std::nullopt;
      return static_cast<double>(*(row.*limited));
    });
    if (time.size() < 2 || time.increase() > kLimitedShare * time.span_s() * 1e6) return false;
  }
  return true;
}

/// High mark so that what waits leaves within the budget.
double high_for_budget(const QueueStory& story, const Path& path) {
  return std::max(kRoomAboveLow, path.rate * kLatencyBudgetS - static_cast<double>(story.row->send_q));
}

}  // namespace

bool marks_too_small(const QueueView& view, const QueueStory& story) {
  if (story.row == nullptr || !story.now->high) return false;
  constexpr double kOnce = 1e-6;  // at least one sample of each window
  bool held = view.in_every_part(story, kOnce, holds_senders<PastQueue>);
  bool drained = view.in_every_part(story, kDrainedShare,
                                    [](const PastQueue& queue) { return queue.queued <= queue.low.value_or(0); });
  if (!held || !drained || !kernel_starves(view, story)) return false;
  Path path = path_of(view, story);
  return path.rate >= kMinBytesPerS && path.could > 0 && path.rate < kPathUse * path.could;
}

bool marks_too_large(const QueueView& view, const QueueStory& story) {
  if (story.row == nullptr || !story.now->high || !story.now->low) return false;
  bool always_full = view.in_every_part(story, 1.0, [](const PastQueue& queue) {
    // Far above the mark: one huge message, not the mark, is what waits.
    return queue.low && queue.high && queue.queued >= *queue.low && queue.queued <= mul_sat(*queue.high, 2);
  });
  if (!always_full) return false;
  Path path = path_of(view, story);
  if (path.delay_s <= kLatencyBudgetS) return false;
  return static_cast<double>(*story.now->high) >= 2 * high_for_budget(story, path);
}

Finding marks_too_small_finding(const QueueView& view, const QueueGroup& group) {
  const QueueStory& story = *group.front();
  const UserQueue& queue = *story.now;
  Path path = path_of(view, story);
  auto high = static_cast<double>(*queue.high);
  double wake_s = high / path.rate;
  double target_rate = std::min(path.could, kMostSpeedUp * path.rate);
  std::uint64_t low = pow2ceil(rounded(target_rate * wake_s));
  std::uint64_t room = pow2ceil(rounded(std::max(kRoomAboveLow, 0.5 * target_rate * path.rtt_s)));
  auto mbit = [](double bytes_per_s) { return bytes_per_s * 8 / 1e6; };
  Finding finding =
      about_queues(view, group, kId, Severity::warning, FindingClass::application,
                   "senders are held back although the queue runs empty and the kernel has nothing to send");
  finding.topic = "too-small";
  finding.title = fmt::format("A mark of {} holds {} down to {:.3g} Mbit/s on a path for {:.3g}",
                              human_bytes(*queue.high), speaker_text(group), mbit(path.rate), mbit(path.could));
  finding.evidence.push_back(
      told(view, group, "rate_held_down", mbit(path.rate), "Mbit/s", kPathUse * mbit(path.could)));
  finding.evidence.push_back(measured(*view.window, "cwnd_x_mss_per_srtt",
                                      source_of(view.window->latest(), FactId::snapshot), mbit(path.could), "Mbit/s"));
  finding.evidence.push_back(told(view, group, "high_mark", high, "bytes"));
  finding.evidence.push_back(told(view, group, "wake_latency", wake_s * 1000, "ms"));
  finding.meaning = fmt::format(
      "The queue empties before a held sender is back: per wake-up at most {} are sent, so the rate is the mark "
      "divided by "
      "the wake-up time, {:.2g} ms. Neither the peer's window nor the send buffer limits.",
      human_bytes(*queue.high), wake_s * 1000);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  std::uint64_t target = add_sat(low, room);
  cure.text = fmt::format("Set the low mark to {} and the high mark to {}.", with_commas(low), with_commas(target));
  cure.formula = fmt::format(
      "low >= rate x wake-up = {:.3g} Mbit/s x {:.2g} ms = {}; high = low + max(64 KiB, BDP / 2) = {}; more than rate "
      "x {} s "
      "= {} only adds delay",
      mbit(target_rate), wake_s * 1000, human_bytes(low), human_bytes(target), kLatencyBudgetS,
      human_bytes(rounded(target_rate * kLatencyBudgetS)));
  cure.steps = {"or wake the sender faster: it is late, not slow"};
  cure.expected_effect =
      Recommendation::Effect{.metric = "rate_mbit_s", .from = mbit(path.rate), .to = mbit(target_rate)};
  cure.worst_case_memory_bytes = mul_sat(target, group.size());
  cure.verify = "the rate rises, and the kernel's app_limited flag is seldom set";
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF",
       "the send buffer is not full: the kernel waits for the program"},
      {"net.ipv4.tcp_rmem", "the peer's window is not the limit"},
      {"net.ipv4.tcp_congestion_control", "the kernel sends all that it gets"},
  };
  finding.references = {"inet(3): high_watermark, low_watermark", "docs/user-queues.md"};
  return finding;
}

Finding marks_too_large_finding(const QueueView& view, const QueueGroup& group) {
  const QueueStory& story = *group.front();
  const UserQueue& queue = *story.now;
  Path path = path_of(view, story);
  std::uint64_t high = rounded(high_for_budget(story, path));
  Finding finding = about_queues(view, group, kId, Severity::info, FindingClass::application,
                                 "whether this delay matters is for the application to say");
  finding.topic = "too-large";
  finding.confidence = Confidence::medium;
  finding.title = fmt::format("A mark of {} lets each message of {} wait {} before it is sent",
                              human_bytes(*queue.high), speaker_text(group), seconds_text(path.delay_s));
  finding.evidence.push_back(told(view, group, "delay_in_queues", path.delay_s, "s", kLatencyBudgetS));
  finding.evidence.push_back(
      told(view, group, "user_queue", static_cast<double>(queue.queued), "bytes", static_cast<double>(*queue.high)));
  finding.evidence.push_back(told(view, group, "rate", path.rate * 8 / 1e6, "Mbit/s"));
  add_places(view, group, flow_of(view, story), finding.evidence);
  finding.meaning =
      "The queue never runs empty: the path or the peer sets the rate, and a higher mark adds delay and memory, not "
      "speed.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "If messages wait for answers, set the high mark to {} and the low mark to {}. For bulk data "
      "change nothing.",
      with_commas(high), with_commas(high / 2));
  cure.formula =
      fmt::format("high = max(64 KiB, rate x {} s - Send-Q) = max(64 KiB, {}/s x {} s - {}) = {}", kLatencyBudgetS,
                  human_bytes(rounded(path.rate)), kLatencyBudgetS, human_bytes(story.row->send_q), human_bytes(high));
  cure.expected_effect =
      Recommendation::Effect{.metric = "delay_in_queues_s",
                             .from = path.delay_s,
                             .to = (static_cast<double>(high) + static_cast<double>(story.row->send_q)) / path.rate};
  cure.verify = fmt::format("the delay falls below {}, the rate stays", seconds_text(kLatencyBudgetS));
  finding.not_useful = {
      {"net.ipv4.tcp_wmem, net.core.wmem_max, SO_SNDBUF", "a larger send buffer is one more place to wait in"},
      {"TCP_NODELAY", "acts on the last segment, not on what waits before it"},
  };
  finding.references = {"inet(3): high_watermark, low_watermark", "docs/user-queues.md"};
  return finding;
}

}  // namespace tcpadvisor
