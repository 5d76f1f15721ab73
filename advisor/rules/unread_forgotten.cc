// SPDX-License-Identifier: Apache-2.0
// Data that a program has left in a receive buffer with much room: while it reads its other connections, or while it
// does nothing on any of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/both_write.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/receive_fill.h"
#include "advisor/rules/resting.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/safe_steps.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace unread_forgotten_rule {
namespace {

constexpr Threshold kFarFromFull = ratio_threshold("far_from_full", 0.5);  // of the buffer: more is reader-too-slow's
constexpr Threshold kSeveral = count_threshold("several", 3);              // fewer are told as info
constexpr Threshold kOfAll = count_threshold("of_all", 10);  // where nothing is read: fewer may be one slow request
constexpr const char* kId = "unread-forgotten";

/// The forgotten connections of one process.
struct Forgotten {
  Scope scope;
  std::vector<const SocketRow*> rows;
  std::uint64_t unread = 0, never_read = 0;
  double shortest_s = 0, longest_s = 0;
  std::uint64_t read_elsewhere = 0;  ///< its connections that it has read meanwhile
  std::uint64_t answered = 0;        ///< those on which it has sent something
  std::uint64_t seen = 0;            ///< its ESTABLISHED connections that have a row
  bool quiet_unseen = true;          ///< those without one rest as well, as far as that is known
  bool calls_seen = true;            ///< the hooks saw no read of any of them
  bool answers_wait = false;         ///< it waits for a peer that takes nothing: it may hold back on purpose
};

/// The last byte that came is not read yet, since it came.
std::optional<double> unread_s(const SocketRow& row) {
  if (row.recv_q == 0 || !row.last_data_recv_ms) return std::nullopt;
  return *row.last_data_recv_ms / 1000.0;
}

/// It was accepted here, so that what came is most likely a request; clients leave much unread on purpose.
bool may_be_forgotten(const Evidence& in, const SocketRow& row, double needed_s) {
  if (row.state != TcpState::established || row.kind != SocketKind::full || row.holder != Holder::process ||
      row.send_q > 0 || row.mptcp || !accepted_here(in.window.connections(), row)) {
    return false;
  }
  if (unread_s(row).value_or(0) < needed_s || row.recv_q < row.rcvlowat.value_or(1)) return false;
  if (fill_of(row).value_or(0) > in.policy.value(kFarFromFull)) return false;
  // Some of it was read after it came, or looked at: the program knows of it.
  const bool read_since =
      row.calls && row.calls->recv.last_ms_ago && static_cast<double>(*row.calls->recv.last_ms_ago) < needed_s * 1000;
  return !read_since;
}

/// What the program has taken of a connection grows.
bool is_read(const Window& window, const SocketRow& row) {
  Series taken = window.socket_series(row, [](const PastRow& then) -> std::optional<double> {
    if (!then.bytes_received) return std::nullopt;
    return static_cast<double>(sub_sat(*then.bytes_received, then.recv_q));
  });
  return taken.size() >= 2 && taken.last() > taken.first();
}

/// It has sent something that the peer has.
bool is_answered(const Window& window, const SocketRow& row) {
  Series acked = window.socket_series(row, [](const PastRow& then) -> std::optional<double> {
    if (!then.bytes_acked) return std::nullopt;
    return static_cast<double>(*then.bytes_acked);
  });
  return row.send_q > 0 || (acked.size() >= 2 && acked.last() > acked.first());
}

/// All looks at an unread connection found the same.
bool stands(const Window& window, const SocketRow& row) {
  Series unread = window.socket_series(row, [](const PastRow& then) { return std::optional<double>(then.recv_q); });
  return unread.size() >= 2 && unread.rises() == 0 && unread.falls() == 0;
}

double needed_s_of(const Policy& policy) {
  return static_cast<double>(policy.age.count()) / 1000;
}

/// Whether the connections of a process that have no row rest, too: only some of them are looked at, and none of those
/// has had a byte for as long as the unread ones. Where that is not known they may be busy.
bool rest_too(const Evidence& in, Pid pid, std::uint64_t seen) {
  const Sample& now = in.now();
  const OwnerTotals* owner = in.window.connections().owner(pid);
  if (owner == nullptr) return false;
  if (owner->sockets[index_of(TcpState::established)] <= seen) return true;
  const std::size_t first = first_idle_slot(needed_s_of(in.policy));
  std::uint64_t looked = 0, rest = 0;
  for (const NetworkTotals& network : now.networks) {
    if (network.pid != pid) continue;
    looked = add_sat(looked, sum_from(network.idle, 0));
    rest = add_sat(rest, sum_from(network.idle, first));
  }
  return looked > 0 && looked == rest;
}

/// The whole program stands: it neither reads nor sends on any of its connections.
bool hangs(const Evidence& in, const Forgotten& here) {
  return here.read_elsewhere == 0 && here.answered == 0 && !here.answers_wait && here.quiet_unseen &&
         static_cast<double>(here.rows.size()) >= in.policy.value(kOfAll);
}

std::map<Pid, Forgotten> forgotten(const Evidence& in) {
  const Sample& now = in.now();
  const double needed_s = needed_s_of(in.policy);
  std::map<Pid, Forgotten> out;
  for (const SocketRow& row : now.sockets) {
    if (!may_be_forgotten(in, row, needed_s) || !row.owner || !stands(in.window, row)) continue;
    const OwnerTotals* owner = in.window.connections().owner(row.owner->pid);
    const bool halted = owner != nullptr && (owner->process_state == ProcessState::stopped ||
                                             owner->process_state == ProcessState::frozen ||
                                             owner->process_state == ProcessState::disk_wait);
    if (halted) continue;
    Forgotten& here = out[row.owner->pid];
    const double for_s = unread_s(row).value_or(0);
    here.shortest_s = here.rows.empty() ? for_s : std::min(here.shortest_s, for_s);
    here.longest_s = std::max(here.longest_s, for_s);
    here.unread = add_sat(here.unread, row.recv_q);
    here.never_read += row.bytes_received && *row.bytes_received <= row.recv_q ? 1 : 0;
    here.calls_seen = now.knows(FactId::calls);  // without a row's own: there was none
    here.rows.push_back(&row);
  }
  if (out.empty()) return out;
  for (const SocketRow& row : now.sockets) {
    auto here = row.owner ? out.find(row.owner->pid) : out.end();
    if (here == out.end() || row.kind != SocketKind::full || row.state == TcpState::listen) continue;
    here->second.seen += row.state == TcpState::established ? 1 : 0;
    if (is_read(in.window, row)) ++here->second.read_elsewhere;
    if (is_answered(in.window, row)) ++here->second.answered;
    here->second.answers_wait = here->second.answers_wait || sends_in_vain(in.window, row);
  }
  for (auto& [pid, here] : out) here.quiet_unseen = rest_too(in, pid, here.seen);
  std::erase_if(out, [&](const auto& entry) { return entry.second.read_elsewhere == 0 && !hangs(in, entry.second); });
  return out;
}

void name(const Sample& now, Forgotten& here) {
  const SocketRow& first = *here.rows.front();
  here.scope.netns = first.netns;
  here.scope.netns_name = netns_name(now, first.netns);
  here.scope.cgroup = first.cgroup;
  name_sockets(here.scope, here.rows);
}

void say_what_waits(const Evidence& in, const Forgotten& here, double needed, Finding& finding) {
  const std::string source = source_of(in.now(), FactId::snapshot);
  auto say = [&](const char* metric, double value, const char* unit, std::optional<double> threshold = std::nullopt) {
    finding.evidence.push_back(measured(in.window, metric, source, value, unit, threshold));
  };
  say("forgotten_connections", static_cast<double>(here.rows.size()), "sockets", needed);
  say("unread_for_at_least", here.shortest_s, "s", needed_s_of(in.policy));
  say("unread_for_at_most", here.longest_s, "s");
  say("unread_bytes", static_cast<double>(here.unread), "bytes");
  say("never_read_at_all", static_cast<double>(here.never_read), "sockets");
  say("read_meanwhile", static_cast<double>(here.read_elsewhere), "sockets");
}

const std::vector<NotUseful> kNothingWaitsForRoom = {
    {"net.ipv4.tcp_rmem, SO_RCVBUF", "there is room: nothing waits for a larger buffer"},
    {"net.ipv4.tcp_keepalive_*", "both ends live"},
};

void say_it_hangs(const Evidence& in, const Forgotten& here, Finding& finding) {
  const std::string who = process_text(here.scope), many = counted(here.rows.size(), "connection");
  finding.topic = "hangs";
  finding.severity = Severity::warning;
  finding.confidence = Confidence::medium;
  finding.title = fmt::format("{} reads none of its connections: {} wait unread on {} for {} or longer", who,
                              human_bytes(here.unread), many, seconds_text(here.shortest_s));
  finding.confidence_why =
      "in all that time it has read nothing and sent nothing on any connection that was seen; a program that does one "
      "very long request after the other looks the same";
  say_what_waits(in, here, in.policy.value(kOfAll), finding);
  finding.meaning =
      "It has accepted these connections, and their peers have an acknowledgement of what they asked, and no answer. "
      "All that should serve them waits for something else (a lock, a backend, a disk), or works on one thing without "
      "end.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format("In {}: see what its threads do, and give what they wait for a time-out.", who);
  if (here.scope.pid) {
    cure.steps.push_back(fmt::format("busy or asleep: top -H -p {}", *here.scope.pid));
    cure.steps.push_back(step_to_see_what_it_does({*here.scope.pid, here.scope.comm, 1}));
  }
  cure.verify = "tcpadvisor report --only unread-forgotten: nothing stands unread";
  finding.not_useful = kNothingWaitsForRoom;
}

Finding finding_for(const Evidence& in, const Forgotten& here) {
  const Sample& now = in.now();
  Finding finding;
  finding.id = kId;
  finding.finding_class = FindingClass::application;
  finding.scope = here.scope;
  const bool several = static_cast<double>(here.rows.size()) >= in.policy.value(kSeveral);
  finding.severity = several && !here.answers_wait ? Severity::warning : Severity::info;
  finding.confidence = here.calls_seen && !here.answers_wait ? Confidence::medium : Confidence::low;
  const std::string who = process_text(here.scope), many = counted(here.rows.size(), "connection");
  finding.title = fmt::format("{} has left {} unread on {} for {} or longer, and reads others", who,
                              human_bytes(here.unread), many, seconds_text(here.shortest_s));
  if (hangs(in, here)) {
    say_it_hangs(in, here, finding);
    return finding;
  }
  finding.confidence_why = fmt::format(
      "nothing of it was read since it came, and {} of the same process {} read meanwhile; a program that does one "
      "request after the other on a connection leaves the next one as well, and so does one that holds back on purpose",
      counted(here.read_elsewhere, "connection"), here.read_elsewhere == 1 ? "was" : "were");
  if (!here.calls_seen) finding.confidence_why += "; whether it tried to read was not seen";
  if (here.answers_wait) finding.confidence_why += "; it has answers that peers do not take, and may hold back";
  say_what_waits(in, here, in.policy.value(kSeveral), finding);
  finding.meaning = here.never_read == here.rows.size()
                        ? "Nothing was ever read of them: the program has accepted them, and no worker of it has time "
                          "for them, or it "
                          "has missed the event. The peers have an acknowledgement of their requests, and no answer."
                        : "It read a part, and the rest waits with no new event to come: with edge-triggered epoll "
                          "(EPOLLET), or after "
                          "one read() that was too short, nobody tells it again. The peers wait for answers.";
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format(
      "In {}: after each event read until EAGAIN, or use level-triggered epoll; arm a one-shot event again; and end "
      "connections whose request is not complete after a time.",
      who);
  if (here.scope.pid) {
    cure.steps.push_back(fmt::format(
        "how it waits: grep -H tfd /proc/{}/fdinfo/*: events 8…: edge-triggered; 4…: one-shot", *here.scope.pid));
  }
  cure.steps.push_back(
      fmt::format("which: {}ss -tnp state established: Recv-Q stands", in_netns(now, here.scope.netns)));
  cure.verify = "tcpadvisor report --only unread-forgotten: nothing stands unread";
  finding.not_useful = kNothingWaitsForRoom;
  return finding;
}

/// Bytes unread on connections that no row tells of.
std::uint64_t unlisted_unread(const Sample& now) {
  std::uint64_t all = 0, listed = 0;
  for (const NetnsSample& netns : now.netns) all = add_sat(all, netns.states[index_of(TcpState::established)].recv_q);
  for (const SocketRow& row : now.sockets) {
    if (row.state == TcpState::established) listed = add_sat(listed, row.recv_q);
  }
  return unlisted_connections(now).count == 0 ? 0 : sub_sat(all, listed);
}

Outcome judge_unread(const Evidence& in) {
  const Sample& now = in.now();
  if (std::string problem = snapshot_problem(now); !problem.empty()) return Outcome::unknown(problem);
  if (in.window.samples() < 2) return Outcome::unknown(too_few_samples(in.window, 2));
  std::vector<Finding> findings;
  for (auto& [pid, here] : forgotten(in)) {
    name(now, here);
    findings.push_back(finding_for(in, here));
  }
  std::string not_assessed = holders_outside(now);
  if (std::uint64_t unlisted = unlisted_unread(now); unlisted > 0 && not_assessed.empty()) {
    not_assessed = fmt::format("{} wait unread on connections without a row, each with too little to be listed",
                               human_bytes(unlisted));
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "connections that a program left unread", "0");
}

constexpr std::array kThresholds = {kSeveral, kOfAll, kFarFromFull};
constexpr std::array<std::string_view, 2> kReferences = {"epoll(7): level-triggered and edge-triggered",
                                                         "socket(7): SO_RCVLOWAT"};
constexpr std::array kExplainedBy = {
    kProcessStopped,
    ExplainedBy{"listener-never-accepts", Link::same_process, Then::lower, "it does not accept either",
                "See {rule} of {who} first."},
};

}  // namespace
}  // namespace unread_forgotten_rule

namespace rules {

extern const Rule unread_forgotten = {
    .id = unread_forgotten_rule::kId,
    .title = "a program forgets what has arrived on some connections",
    .explanation =
        "A server reads its connections, and leaves small data on some of them unread for a minute and more: its "
        "buffers have room, so nothing looks wrong. Most often it has asked for edge-triggered events and did not read "
        "to the end, or no worker is left for what it has accepted. Where nothing at all is read or sent, the whole "
        "program stands.",
    .thresholds = unread_forgotten_rule::kThresholds,
    .references = unread_forgotten_rule::kReferences,
    .explained_by = unread_forgotten_rule::kExplainedBy,
    .judge = unread_forgotten_rule::judge_unread,
};

}  // namespace rules
}  // namespace tcpadvisor
