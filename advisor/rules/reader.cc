// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/both_write.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/reading_pace.h"
#include "advisor/rules/receive_fill.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace reader_rule {
namespace {

constexpr Threshold kFullShare = ratio_threshold("full_share", 0.75).clears_at(0.8);  // of the receive buffer
constexpr Threshold kShareOfSamples = ratio_threshold("share_of_samples", 0.5).clears_at(0.6);
constexpr Threshold kStuckFor = time_threshold("stuck_for", 5);  // full all this time is enough by itself
constexpr Threshold kMuchUnread = size_threshold("much_unread", 65'536).clears_at(0.5);
constexpr Threshold kStandingShare =
    ratio_threshold("standing_share", 0.45).clears_at(0.8);  // unread all the time, of the window
constexpr double kWindowUse = 0.85;     // unread and on the way, of the window: the sender waits for it
constexpr double kFastReader = 125e6;   // bytes per second: whoever takes a gigabit of data is not slow
constexpr double kLongestDip = 1;       // s that a sender may pause
constexpr double kAsBefore = 1.25;      // of the rate at which it has been read
constexpr double kMostSamples = 0.75;   // full, or there is nothing to bridge
constexpr double kSmallestRatio = 0.5;  // of window to buffer

/// Data may still come: also to a program that has shut down its own half and says no more. What the peer has closed
/// belongs to the leak rules.
bool may_receive(const SocketRow& row) {
  bool half_closed = row.state == TcpState::fin_wait_1 || row.state == TcpState::fin_wait_2;
  return row.state == TcpState::established || (half_closed && held_by_process(row));
}

/// So much unread that the window may be closed, and nothing tells: before 6.6 it closes at half of the buffer.
bool may_be_closed(const Policy& policy, const auto& row) {
  if (row.rcv_wnd || row.scaling_ratio.value_or(0) != 0) return false;
  return static_cast<double>(row.recv_q) >=
         policy.value(kFullShare) * kSmallestRatio * static_cast<double>(row.rcvbuf.value_or(0));
}

/// So much that a sender may have on its way or unread, in bytes.
double room_of(const auto& row) {
  double ratio = row.scaling_ratio.value_or(0) == 0 ? kSmallestRatio : *row.scaling_ratio / 256.0;
  return static_cast<double>(row.rcvbuf.value_or(0)) * ratio;
}

/// The kernel sizes the buffer by what is read in one round trip, so a slow reader does not fill it: a good part of the
/// window stands unread, and what is on its way takes the rest, so that the sender waits all the same.
bool is_pressed(const Policy& policy, const PastRow& before, const PastRow& now, double took_s) {
  const double room = room_of(now), unread = now.recv_q;
  if (room <= 0 || took_s <= 0 || !now.bytes_received || !before.bytes_received || !now.rcv_rtt_us) return false;
  if (*now.bytes_received < *before.bytes_received || unread < policy.value(kStandingShare) * room) return false;
  double rate = static_cast<double>(*now.bytes_received - *before.bytes_received) / took_s;
  return rate < kFastReader && unread + rate * *now.rcv_rtt_us / 1e6 >= kWindowUse * room;
}

/// The fill of a buffer over time; one that holds its sender back counts as full.
Series fills_of(const Policy& policy, const Past& past, const SocketRow& row) {
  Series out;
  const std::vector<const PastRow*> history = past.history(row);
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history[i] == nullptr) continue;
    std::optional<double> fill = fill_of(*history[i]);
    if (!fill) continue;
    const PastRow* before = i == 0 ? nullptr : history[i - 1];
    bool pressed =
        before != nullptr && is_pressed(policy, *before, *history[i], past.seconds_at(i) - past.seconds_at(i - 1));
    out.add(past.seconds_at(i), pressed ? std::max(*fill, policy.value(kFullShare)) : *fill);
  }
  return out;
}

/// Whether a buffer counts as full.
auto full_by(const Policy& policy) {
  return [share = policy.value(kFullShare)](double fill) { return fill >= share; };
}

struct Stuck {
  const SocketRow* row = nullptr;
  double share = 0;   ///< of the samples in which it was full
  double full_s = 0;  ///< the last stretch without a break, until now
  double fill = 0;    ///< now
  double rate = 0;    ///< bytes read per second
  bool steady = false;
};

/// What the program has taken up to each look, where that is known.
Series taken_of(const Past& past, const SocketRow& row) {
  return past.socket_series(row, [](const PastRow& then) -> std::optional<double> {
    if (!then.bytes_received) return std::nullopt;
    return static_cast<double>(sub_sat(*then.bytes_received, then.recv_q));
  });
}

double rate_between(const Series& taken, std::size_t from, std::size_t to) {
  const auto &a = taken.points()[from], &b = taken.points()[to];
  return b.t_s > a.t_s ? (b.value - a.value) / (b.t_s - a.t_s) : 0;
}

/// A sender pauses for a moment now and then, as bbr does to measure its path, and a slow reader catches up meanwhile.
/// As long as it does not read faster than before, that clears nothing: such looks count as full.
Series bridged(const Policy& policy, const Series& fills, const Series& taken) {
  auto full = full_by(policy);
  if (taken.size() != fills.size() || fills.share(full) < kMostSamples) return fills;
  Series out;
  std::optional<std::size_t> last_full;
  for (std::size_t i = 0; i < fills.size(); ++i) {
    const Series::Point& point = fills.points()[i];
    bool dip = false;
    if (full(point.value)) {
      last_full = i;
    } else if (last_full && *last_full > 0 && point.t_s - fills.points()[*last_full].t_s <= kLongestDip) {
      dip = rate_between(taken, *last_full, i) <= kAsBefore * rate_between(taken, 0, *last_full);
    }
    out.add(point.t_s, dip ? policy.value(kFullShare) : point.value);
  }
  return out;
}

/// Bytes that the program took, per second, in the last `look_s`: what it read before says nothing about now.
double rate_lately(const Series& taken, double look_s) {
  if (taken.empty()) return 0;
  std::size_t from = taken.size() - 1;
  while (from > 0 && taken.points()[from].t_s > taken.points().back().t_s - look_s) --from;
  // The two numbers are read one after the other: their difference may go back a little, and is no counter that began
  // again.
  return std::max(0.0, rate_between(taken, from, taken.size() - 1));
}

std::optional<Stuck> stuck(const Evidence& in, const PolicyWindows& windows, const SocketRow& row) {
  auto full = full_by(in.policy);
  const Series taken = taken_of(in.window, row);
  const Series fills = bridged(in.policy, fills_of(in.policy, in.window, row), taken);
  if (fills.size() < 2 || !full(fills.last())) return std::nullopt;
  Stuck out{.row = &row, .share = fills.share(full)};
  double since = fills.points().back().t_s;
  for (auto point = fills.points().rbegin(); point != fills.points().rend() && full(point->value); ++point)
    since = point->t_s;
  out.full_s = fills.points().back().t_s - since;
  bool in_each = !windows.parts.empty() && std::ranges::all_of(windows.parts, [&](const Past& part) {
    const double begin_s = static_cast<double>(part.first().mono_ms - in.window.first().mono_ms) / 1000;
    Series in_part;
    for (const Series::Point& point : fills.points()) {
      if (point.t_s >= begin_s && point.t_s <= begin_s + part.span_s()) in_part.add(point.t_s, point.value);
    }
    return in_part.size() >= 2 && in_part.share(full) >= in.policy.value(kShareOfSamples);
  });
  if (!in_each && out.full_s < in.policy.value(kStuckFor)) return std::nullopt;
  out.fill = fills.last();
  double windows_s = static_cast<double>(in.policy.window.count()) * in.policy.windows / 1000;
  out.rate = rate_lately(taken, std::max(out.full_s, windows_s));
  out.steady = reads_at_a_steady_pace(taken);
  return out;
}

/// Enough to be looked at more closely: now, or at the look before.
bool may_be_stuck(const Evidence& in, const SocketRow& row) {
  auto stands = [&](const auto& then) {
    return then.recv_q > 0 && (full_by(in.policy)(fill_of(then).value_or(0)) ||
                               static_cast<double>(then.recv_q) >= in.policy.value(kStandingShare) * room_of(then));
  };
  if (stands(row)) return true;
  const PastTick* before = in.window.before();
  const PastRow* then = before == nullptr ? nullptr : before->find(row);
  return then != nullptr && then->state == row.state && stands(*then);
}

struct Reader {
  Scope scope;
  std::vector<const SocketRow*> rows;
  double share = 1, full_s = 0;
  double fill = 1;  ///< of the emptiest one
  double rate = 0;  ///< bytes read per second, all together
  std::uint64_t unread = 0;
  std::uint64_t in_vain = 0;  ///< bytes of its own that the same peers do not read
  bool holds_back = false;    ///< it answers, and its answers are not read
  bool on_purpose = true;     ///< it fetches all of this itself, and at a steady pace
};

/// It was asked, and its answers are not read: whoever asks has to read them first.
void say_holds_back(const Connections& connections, const Reader& reader, Finding& finding) {
  finding.topic = "holds-back";
  finding.severity = Severity::info;
  finding.finding_class = FindingClass::peer;
  std::string peer = reader.scope.remote.empty() ? "its peers" : reader.scope.remote;
  const SocketRow* far = connections.other_end(*reader.rows.front());
  if (reader.rows.size() == 1 && far != nullptr && far->owner) {
    peer = fmt::format("{}[{}]", far->owner->comm, far->owner->pid);
  }
  finding.title =
      fmt::format("{} reads no more before {} takes its answers: {} unread on {}", process_text(finding.scope), peer,
                  human_bytes(reader.unread), counted(reader.rows.size(), "socket"));
  finding.confidence_why =
      fmt::format("it accepted the connection, and {} of its own wait in Send-Q before a closed window",
                  human_bytes(reader.in_vain));
  finding.meaning =
      "Whoever asks sends on and does not read the answers. This program answers, and stops reading while its answers "
      "are not taken: one that went on would keep ever more of them in memory.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::peer;
  cure.text = fmt::format("{} has to read the answers while it sends, or to limit what it asks for at once.", peer);
  cure.steps = {"in this program: a time-out for writes ends such connections"};
}

/// It writes, and does not read: then the other end cannot go on either, whoever began.
void say_both_write(const Window& window, const Reader& reader, Finding& finding) {
  finding.meaning += fmt::format(
      " It writes as well: {} wait in Send-Q, because its peer does not go on before it is read. Each of the two waits "
      "for the other.",
      human_bytes(reader.in_vain));
  Recommendation& cure = finding.recommendation;
  cure.text = "Fix the application: read the answers while it sends, or limit what it asks for before it reads.";
  const NeitherReads both = neither_reads(window, reader.rows);
  if (both.far == nullptr) return;
  const std::string who = process_text(finding.scope);
  const std::string far = fmt::format("{}[{}]", both.far->owner->comm, both.far->owner->pid);
  finding.title =
      fmt::format("{} and {} both write and neither reads: {} and {} unread on {}", who, far,
                  human_bytes(reader.unread), human_bytes(both.unread), counted(reader.rows.size(), "connection"));
  if (accepted_here(window.connections(), *both.far) && has_read(*both.far)) {
    finding.meaning += fmt::format(
        " If {0} answers what {1} asks, {1} has to read first; if each writes of its own accord, both owe the read.",
        far, who);
  } else {
    finding.meaning += fmt::format(" {} owes the read as much as {}.", far, who);
  }
  cure.text = fmt::format(
      "Fix both applications, {} and {}: read while there is something to send (another thread, or poll for both), or "
      "agree on who writes how much before it reads. One of them is enough to end this stall.",
      who, far);
}

Finding finding_for(const Evidence& in, const PolicyWindows& windows, Reader& reader) {
  const Window& window = in.window;
  const Sample& now = in.now();
  const double full_share = in.policy.value(kFullShare);
  Finding finding;
  finding.id = "reader-too-slow";
  finding.severity = Severity::warning;
  finding.finding_class = FindingClass::application;
  name_sockets(reader.scope, reader.rows);
  finding.scope = reader.scope;
  const std::string unread =
      fmt::format("{} unread on {}", human_bytes(reader.unread), counted(reader.rows.size(), "socket"));
  const std::string who = process_text(finding.scope);
  finding.title = reader.rate < 1
                      ? fmt::format("{} does not read: {}", who, unread)
                      : fmt::format("{} reads {}/s, too slowly for its {}: {}", who, human_bytes(to_u64(reader.rate)),
                                    reader.rows.size() == 1 ? "sender" : "senders", unread);
  finding.confidence_why = "receive buffers are full although data waits to be read";
  if (windows.shortened) {
    finding.confidence = Confidence::medium;
    finding.confidence_why += "; " + windows.why;
  }
  finding.confidence_why += why_no_pid(finding.scope);
  std::string source = source_of(now, FactId::snapshot);
  finding.evidence.push_back(measured(window, "rcvbuf_fill", source, reader.fill, "ratio", full_share));
  finding.evidence.push_back(measured(window, "samples_with_full_rcvbuf", source, reader.share, "ratio of samples",
                                      in.policy.value(kShareOfSamples)));
  finding.evidence.push_back(measured(window, "read_rate", source, reader.rate, "bytes/s"));
  finding.evidence.push_back(measured(window, "full_for", source, reader.full_s, "s", in.policy.value(kStuckFor)));
  finding.evidence.push_back(measured(window, "unread_bytes", source, static_cast<double>(reader.unread), "bytes"));
  auto to = window.increase(reader.scope.netns, "TcpExt.TCPToZeroWindowAdv");
  if (to && *to > 0) {
    finding.evidence.push_back(measured(window, "zero_windows_announced", "TcpExt.TCPToZeroWindowAdv", *to, "count"));
  }
  finding.meaning =
      "Data has arrived and waits in Recv-Q; with no room left the kernel announces a zero window and the senders "
      "stop.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text =
      "Fix the application: read faster, or in another thread than the slow work. If it holds back on purpose, all is "
      "well.";
  if (finding.scope.pid) {
    cure.steps.push_back(
        fmt::format("see what it does instead: cat /proc/{0}/wchan; top -H -p {0}", *finding.scope.pid));
  }
  if (!reader.scope.remote.empty()) cure.steps.push_back("senders that wait: " + reader.scope.remote);
  if (reader.on_purpose && reader.in_vain == 0) {
    finding.severity = Severity::info;
    finding.confidence_why +=
        "; but it fetches this itself, and at a steady pace, as a download does that limits its rate";
    cure.text =
        "Nothing, if it limits its rate on purpose. Else: read faster, or in another thread than the slow work.";
  }
  if (reader.holds_back) {
    say_holds_back(window.connections(), reader, finding);
  } else if (reader.in_vain > 0) {
    say_both_write(window, reader, finding);
  }
  cure.verify =
      fmt::format("tcpadvisor report --only reader-too-slow: receive buffers below {:.0f} %", full_share * 100);
  finding.not_useful = {
      {"net.ipv4.tcp_rmem", "a larger buffer fills as well, a little later, and costs memory"},
      {"net.core.rmem_max", "limits what SO_RCVBUF may ask for, nothing else"},
  };
  return finding;
}

/// What hides a slow reader from us; empty if nothing does.
std::string blind_spot(const Evidence& in) {
  const Window& window = in.window;
  const Sample& now = in.now();
  const std::uint64_t much = to_u64(in.policy.value(kMuchUnread));
  auto full = full_by(in.policy);
  std::uint64_t unmeasured = 0, undecided = 0;
  for (const SocketRow& row : now.sockets) {
    if (!may_receive(row) || row.recv_q < much || row.holder == Holder::unaccepted) continue;
    std::optional<double> fill = fill_of(row);
    if (!fill) {
      ++unmeasured;
    } else if (!full(*fill)) {
      Series closed = window.socket_series(
          row, [&](const PastRow& then) { return std::optional<double>(may_be_closed(in.policy, then) ? 1 : 0); });
      if (closed.share([](double yes) { return yes > 0; }) >= in.policy.value(kShareOfSamples)) ++undecided;
    }
  }
  if (unmeasured > 0) {
    return fmt::format("{} with {} or more unread, but {} does not show receive buffers", counted(unmeasured, "socket"),
                       human_bytes(much), source_of(now, FactId::snapshot));
  }
  if (undecided > 0) {
    return fmt::format("{} with {} or more unread, but {} does not show whether the window is closed",
                       counted(undecided, "socket"), human_bytes(much), source_of(now, FactId::snapshot));
  }
  return "";
}

Outcome judge_reader_too_slow(const Evidence& in) {
  const Window& window = in.window;
  const Policy& policy = in.policy;
  const Sample& now = window.latest();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  if (window.samples() < 2) return Outcome::unknown(too_few_samples(window, 2));

  PolicyWindows windows = policy_windows(window, policy);
  std::map<std::tuple<Pid, NetnsId, bool>, Reader> readers;
  auto full = full_by(policy);
  double fullest = 0;
  bool too_early = false;
  for (const SocketRow& row : now.sockets) {
    if (!may_receive(row) || row.holder == Holder::unaccepted) continue;
    double fill = fill_of(row).value_or(0);
    fullest = std::max(fullest, fill);
    if (!may_be_stuck(in, row)) continue;
    std::optional<Stuck> found = stuck(in, windows, row);
    if (!found) {
      too_early |= windows.parts.empty() && full(fill);
      continue;
    }
    const bool in_vain = sends_in_vain(window, row);
    const bool holds_back = in_vain && accepted_here(window.connections(), row) && has_read(row);
    Reader& reader = readers[{row.owner ? row.owner->pid : 0, row.netns, holds_back}];
    if (reader.rows.empty()) {
      reader.scope.netns = row.netns;
      reader.scope.netns_name = netns_name(now, row.netns);
      reader.scope.cgroup = row.cgroup;
    }
    reader.rows.push_back(&row);
    reader.share = std::min(reader.share, found->share);
    reader.full_s = std::max(reader.full_s, found->full_s);
    reader.unread = add_sat(reader.unread, row.recv_q);
    reader.holds_back = holds_back;
    if (in_vain) reader.in_vain = add_sat(reader.in_vain, row.send_q);
    reader.on_purpose &= found->steady && !accepted_here(window.connections(), row);
    reader.fill = std::min(reader.fill, found->fill);
    reader.rate += found->rate;
  }
  std::vector<Finding> findings;
  findings.reserve(readers.size());
  for (auto& [key, reader] : readers) findings.push_back(finding_for(in, windows, reader));
  return Outcome::of(std::move(findings), too_early ? windows.why : blind_spot(in),
                     "fullest receive buffer with unread data", fmt::format("{:.0f} %", fullest * 100));
}

constexpr std::array kReaderTooSlowThresholds = {kFullShare, kShareOfSamples, kStuckFor, kStandingShare, kMuchUnread};
constexpr std::array<std::string_view, 1> kReaderTooSlowReferences = {"RFC 9293 section 3.8.6 (zero windows)"};

constexpr std::array kReaderTooSlowExplainedBy = {
    kProcessStopped,
    ExplainedBy{"reader-too-slow", Link::relayed, Then::lower,
                "it passes on what it reads, and waits for {who}, which does not take it as fast",
                "Fix {who} first: the next step is there."},
    ExplainedBy{"peer-not-reading", Link::other_side, Then::lower,
                "it passes on what it reads, and the peers of its other side do not take it",
                "See the finding on its other side first: it reads again when those peers do."},
    ExplainedBy{"send-queue-dead-peers", Link::other_side, Then::lower,
                "it passes on what it reads, and the peers of its other side do not answer",
                "See the finding on its other side first: it reads again when those connections are given up."},
};

}  // namespace
}  // namespace reader_rule

namespace rules {

extern const Rule reader_too_slow = {
    .id = "reader-too-slow",
    .title = "a process does not read what has arrived",
    .explanation =
        "Data has arrived and the process does not read it as fast. The receive buffer is full, the kernel "
        "announces a zero window, and the senders stop.",
    .thresholds = reader_rule::kReaderTooSlowThresholds,
    .references = reader_rule::kReaderTooSlowReferences,
    .explained_by = reader_rule::kReaderTooSlowExplainedBy,
    .covers = {.each = EachOf::what_waits},
    .judge = reader_rule::judge_reader_too_slow,
};

}  // namespace rules
}  // namespace tcpadvisor
