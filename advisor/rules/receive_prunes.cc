// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/receive_prunes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/netns_counters.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {

std::optional<Prunes> prunes_of(const Past& past, NetnsId netns) {
  auto pruned = past.increase(netns, "TcpExt.RcvPruned"), collapsed = past.increase(netns, "TcpExt.TCPRcvCollapsed");
  if (!pruned || !collapsed) return std::nullopt;
  return Prunes{.called = past.increase(netns, "TcpExt.PruneCalled").value_or(0),
                .collapsed = *collapsed,
                .collapsed_per_s = past.span_s() > 0 ? *collapsed / past.span_s() : 0,
                .pruned = *pruned,
                .refused = past.increase(netns, "TcpExt.TCPRcvQDrop").value_or(0)};
}

namespace receive_prunes_rule {
namespace {

constexpr Threshold kMinDrops = count_threshold("min_drops", 1, "segments");
constexpr double kTinyRatio = 8;       // bytes of memory for one byte of payload: it comes in tiny segments
constexpr double kMuchOfBuffer = 0.5;  // in use, for a socket to be what this is about

enum class Why : std::uint8_t { unknown, memory, group, tiny, slow };

/// A socket when its buffer was fullest: a reader that catches up now and then empties it in between.
struct Peak {
  const SocketRow* row = nullptr;
  double memory = 0, limit = 0, unread = 0;  ///< bytes
  double memory_per_byte() const { return memory / unread; }
};

/// What is behind it in one namespace, and the socket with the fullest buffer there.
struct Story {
  Prunes prunes;
  Why why = Why::unknown;
  std::optional<Peak> peak;
};

double refusals_since(const Window& window, std::uint64_t BufferRefusals::* kind) {
  if (window.samples() < 2 || !window.first().refusals || !window.last().refusals) return 0;
  return static_cast<double>(sub_sat(*window.last().refusals.*kind, *window.first().refusals.*kind));
}

/// TCP as a whole is short of memory: then full buffers are not why.
bool whole_host_is_short(const Window& window) {
  return window.latest().memory.under_pressure.value_or(false) ||
         window.increase("TcpExt.TCPMemoryPressures").value_or(0) > 0 ||
         refusals_since(window, &BufferRefusals::host_recv) > 0;
}

/// The rule about cgroups tells of it: one came to its limit, and sockets were refused often enough.
bool told_by_cgroup(const Window& window) {
  constexpr double kFewestRefusals = 10, kAtLimit = 0.98;
  if (refusals_since(window, &BufferRefusals::cgroup_recv) < kFewestRefusals) return false;
  return std::ranges::any_of(window.latest().cgroups, [&](const CgroupTotals& one) {
    const Series used = window.series([&](const PastTick& tick) -> std::optional<double> {
      const PastCgroup* then = tick.find(one);
      if (then == nullptr || !then->memory_current) return std::nullopt;
      return static_cast<double>(*then->memory_current);
    });
    return one.memory_max && used.max() >= kAtLimit * static_cast<double>(*one.memory_max);
  });
}

void add_peak(const SocketRow& row, const auto& then, std::optional<Peak>& peak) {
  if (then.recv_q == 0 || !then.rcvbuf || !then.rmem_alloc) return;
  const auto memory = static_cast<double>(*then.rmem_alloc), limit = static_cast<double>(*then.rcvbuf);
  if (limit <= 0 || memory < kMuchOfBuffer * limit || (peak && memory <= peak->memory)) return;
  peak = Peak{.row = &row, .memory = memory, .limit = limit, .unread = static_cast<double>(then.recv_q)};
}

std::optional<Peak> fullest(const Window& window, NetnsId netns) {
  std::optional<Peak> out;
  for (const SocketRow& row : window.latest().sockets) {
    if (row.netns != netns || row.state == TcpState::listen) continue;
    add_peak(row, row, out);
    for (const PastRow* then : window.history(row)) {
      if (then != nullptr) add_peak(row, *then, out);
    }
  }
  return out;
}

Story story_of(const Evidence& in, NetnsId netns, const Prunes& prunes) {
  Story out{.prunes = prunes, .peak = fullest(in.window, netns)};
  if (whole_host_is_short(in.window)) {
    out.why = Why::memory;
  } else if (refusals_since(in.window, &BufferRefusals::cgroup_recv) > 0) {
    out.why = Why::group;
  } else if (out.peak) {
    // What has been copied together no longer looks tiny.
    const bool tiny =
        out.peak->memory_per_byte() > kTinyRatio || prunes.collapsed_per_s > in.policy.value(kManyCollapses);
    out.why = tiny ? Why::tiny : Why::slow;
  }
  return out;
}

std::string what_it_is(const Story& story) {
  switch (story.why) {
    case Why::memory:
      return "TCP as a whole was short of memory at that time";
    case Why::group:
      return "a memory cgroup refused buffers at that time; which one, the counters do not tell";
    case Why::tiny:
      if (story.peak->memory_per_byte() <= kTinyRatio)
        return "it comes in segments so small that they are copied together";
      return fmt::format("each unread byte takes {:.0f} bytes of memory: they came in tiny segments",
                         story.peak->memory_per_byte());
    case Why::slow:
      return "its buffer is full, now and then at least, of data that is not read";
    case Why::unknown:
      break;
  }
  return "no socket that is listed had a full buffer when we looked";
}

void recommend(const Evidence& in, const NetnsSample& netns, const Story& story, Finding& finding) {
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  switch (story.why) {
    case Why::memory:
      cure.kind = RecommendationKind::capacity;
      cure.text = "See to TCP's memory first (tcp-mem-pressure-global): nothing about single sockets helps before.";
      break;
    case Why::group:
      cure.kind = RecommendationKind::capacity;
      cure.text = "Give the cgroup more memory (memcg-socket-pressure), or let its programs read sooner.";
      cure.steps.emplace_back("which one: grep -H sock /sys/fs/cgroup/*/*/memory.stat; cat memory.events beside it");
      break;
    case Why::tiny:
      cure.text =
          "Let the sender write more at a time: a segment takes hundreds of bytes of memory, however little is "
          "in it. And let the reader keep up.";
      cure.steps.emplace_back(
          "where latency counts more than the rate of one flow: a smaller tcp_rmem[2] makes each time shorter; "
          "tcp_shrink_window = 1 (Linux 6.5) keeps buffers within what is advertised");
      break;
    case Why::slow:
      cure.text = "Let the program read as fast as it is sent to, or ask for less.";
      break;
    case Why::unknown:
      cure.text = "Find the socket before you change anything.";
      cure.steps.emplace_back("ss -tnm: a socket whose r (memory in use) is near rb (its limit), again and again");
      break;
  }
  cure.verify =
      fmt::format("{}nstat -az | grep -E 'RcvPruned|RcvQDrop|RcvCollapsed' stands still", in_netns(in.now(), netns.id));
  finding.not_useful = {
      {"net.ipv4.tcp_rmem (higher)", "with more room there is more to copy each time, and it fills all the same"},
      {"net.core.rmem_max, net.core.netdev_max_backlog", "neither is the limit of this queue"}};
}

Finding finding_for(const Evidence& in, const NetnsSample& netns, const Story& story) {
  const Prunes& prunes = story.prunes;
  const bool drops = prunes.dropped() >= in.policy.value(kMinDrops);
  Finding finding = finding_of_netns(in.now(), netns, "rcv-collapse-prune");
  const bool told =
      story.why == Why::memory || (story.why == Why::group && told_by_cgroup(in.window));  // as what it is
  finding.severity = told ? Severity::info : Severity::warning;
  finding.finding_class =
      story.why == Why::memory || story.why == Why::group ? FindingClass::memory : FindingClass::application;
  const bool named = story.why == Why::tiny || story.why == Why::slow;
  if (named) {
    const SocketRow& row = *story.peak->row;
    const std::array rows = {&row};
    name_holder(finding.scope, rows);
    finding.scope.cgroup = row.cgroup;
    finding.scope.local = row.local.text();
    finding.scope.remote = row.remote.text();
    finding.scope.count = 1;
  }
  finding.title = (drops ? fmt::format("{} dropped because receive buffers were full",
                                       prunes.dropped() == 1 ? "1 segment was"
                                                             : counted(to_u64(prunes.dropped()), "segment") + " were")
                         : fmt::format("{} segments a second are copied to make room in receive buffers",
                                       with_commas(to_u64(prunes.collapsed_per_s)))) +
                  (named ? ", as that of " + process_text(finding.scope) : "");
  finding.confidence = story.why == Why::unknown ? Confidence::low : Confidence::medium;
  finding.confidence_why = "the counters are the namespace's; " + what_it_is(story);
  if (named) finding.confidence_why += why_no_pid(finding.scope);
  auto say = [&](std::string metric, std::string source, double value, std::string unit, std::optional<double> mark) {
    finding.evidence.push_back(measured(in.window, std::move(metric), std::move(source), value, std::move(unit), mark));
  };
  say("dropped", "TcpExt.RcvPruned, TcpExt.TCPRcvQDrop", prunes.dropped(), "segments", in.policy.value(kMinDrops));
  say("collapsed", "TcpExt.TCPRcvCollapsed", prunes.collapsed_per_s, "per_s", in.policy.value(kManyCollapses));
  say("prune_called", "TcpExt.PruneCalled", prunes.called, "count", std::nullopt);
  if (story.peak) {
    const std::string seen = source_of(in.now(), FactId::snapshot);
    say("memory_per_unread_byte", seen, story.peak->memory_per_byte(), "bytes", kTinyRatio);
    say("receive_buffer_in_use", seen, story.peak->memory, "bytes", story.peak->limit);
  }
  finding.meaning =
      "When a receive buffer is full the kernel copies small segments together to make room, for milliseconds at a "
      "time in which its processor does nothing else. What still finds no room is dropped and has to be sent again.";
  recommend(in, netns, story, finding);
  return finding;
}

Outcome judge_receive_prunes(const Evidence& in) {
  std::vector<Finding> findings;
  std::string not_assessed;
  double most = 0;
  for (const NetnsSample& netns : in.now().netns) {
    if (!netns.error.empty()) continue;
    auto prunes = prunes_of(in.window, netns.id);
    if (!prunes) {
      keep_one(not_assessed, not_read_twice(in.window, netns.id, "TcpExt.RcvPruned"));
      continue;
    }
    most = std::max(most, prunes->collapsed_per_s);
    if (prunes->dropped() >= in.policy.value(kMinDrops) || prunes->collapsed_per_s > in.policy.value(kManyCollapses)) {
      findings.push_back(finding_for(in, netns, story_of(in, netns.id, *prunes)));
    }
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "segments copied to make room",
                     fmt::format("{:.0f} a second, and none dropped", most));
}

constexpr std::array kThresholds = {kMinDrops, kManyCollapses};
constexpr std::array kExplainedBy = {
    ExplainedBy{"reader-too-slow", Link::same_process, Then::lower, "{who} does not read what is sent to it",
                "Let {who} read first (see {rule}): its buffers are full because nobody empties them."},
};
constexpr std::array<std::string_view, 1> kReferences = {
    "net/ipv4/tcp_input.c: tcp_prune_queue, tcp_collapse, tcp_try_rmem_schedule"};

}  // namespace
}  // namespace receive_prunes_rule

namespace rules {

extern const Rule rcv_collapse_prune = {
    .id = "rcv-collapse-prune",
    .title = "receive buffers are so full that segments are copied or dropped",
    .explanation =
        "A receive buffer counts the memory that segments take, not the bytes in them. Many tiny segments, or a reader "
        "that does not keep up, fill it; then the kernel spends time on copying them together, and drops what finds no "
        "room. PruneCalled alone is normal.",
    .thresholds = receive_prunes_rule::kThresholds,
    .references = receive_prunes_rule::kReferences,
    .explained_by = receive_prunes_rule::kExplainedBy,
    .judge = receive_prunes_rule::judge_receive_prunes,
};

}  // namespace rules
}  // namespace tcpadvisor
