// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/relations.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr double kMostOfThem = 0.5;

/// Whose sockets a finding is about.
Group group_of(const Scope& scope) {
  return {.pid = scope.pid, .netns = scope.pid ? 0 : scope.netns};
}

void explain(Finding& finding, const Finding& cause, const std::string& why) {
  finding.cause = cause.instance;
  finding.severity = Severity::info;
  finding.confidence_why += (finding.confidence_why.empty() ? "" : "; ") + why;
}

/// No setting is changed for what a faulty process causes.
void fix_first(Finding& finding, std::string text) {
  Recommendation cure;
  cure.kind = RecommendationKind::application;
  cure.text = std::move(text);
  cure.verify = finding.recommendation.verify;
  finding.recommendation = std::move(cure);
}

/// Of the CLOSE_WAIT sockets that a finding is about: how many have their other end where.
struct OtherEnds {
  std::uint64_t all = 0;
  std::map<Group, std::uint64_t> held;       ///< in FIN_WAIT_2, and a process has them, by that process
  std::map<NetnsId, std::uint64_t> orphans;  ///< in FIN_WAIT_2, and closed, by namespace
  bool are_most(std::uint64_t count) const {
    return count > 0 && static_cast<double>(count) >= kMostOfThem * static_cast<double>(all);
  }
};

OtherEnds other_ends_of(const Connections& connections, const Finding& leak) {
  OtherEnds out;
  for (const SocketRow* row : connections.held(group_of(leak.scope), TcpState::close_wait)) {
    ++out.all;
    const SocketRow* far = connections.other_end(*row);
    if (far == nullptr || far->state != TcpState::fin_wait_2) continue;
    if (std::optional<Group> group = tcpadvisor::group_of(*far)) {
      ++out.held[*group];
    } else {
      ++out.orphans[far->netns];
    }
  }
  return out;
}

/// Both ends of half-closed connections are on this host. The end that called shutdown(SHUT_WR) and keeps its
/// descriptor asks for more data; an end that still owes data is right not to close, so its CLOSE_WAIT proves nothing.
/// The end in FIN_WAIT_2 can end the connection by itself at any time: it is the finding. (A peer that closed fully is
/// an orphan and not held: then the CLOSE_WAIT side alone is at fault and stays as it is.)
///
/// Orphans whose peers leak on this same host need no shorter timer. Their build-up stays as severe as it is, because
/// entries beyond tcp_max_tw_buckets harm other connections.
void relate_half_closed(const Connections& connections, std::vector<Finding>& findings) {
  std::map<Group, std::size_t> holders;  // the finding about them
  std::map<NetnsId, Finding*> build_ups;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    Finding& finding = findings[i];
    if (finding.id == "fin-wait2-app-held") holders.try_emplace(group_of(finding.scope), i);
    if (finding.id == "fin-wait2-orphan-buildup") build_ups.try_emplace(finding.scope.netns, &finding);
  }
  if (holders.empty() && build_ups.empty()) return;
  for (Finding& leak : findings) {
    if (leak.id != "close-wait-leak") continue;
    OtherEnds ends = other_ends_of(connections, leak);
    std::optional<std::size_t> holder;  // the first finding of two that share the ends equally
    for (const auto& [group, count] : ends.held) {
      auto found = holders.find(group);
      if (found == holders.end() || !ends.are_most(count)) continue;
      holder = std::min(holder.value_or(found->second), found->second);
    }
    if (holder && leak.cause.empty() && leak.severity != Severity::critical) {
      const Finding& held = findings[*holder];
      explain(leak, held,
              fmt::format("the peer, {}, has only shut down its sending half and may still wait for data",
                          process_text(held.scope)));
    }
    for (const auto& [netns, count] : ends.orphans) {
      auto found = build_ups.find(netns);
      if (found == build_ups.end() || !found->second->cause.empty() || !ends.are_most(count)) continue;
      found->second->cause = leak.instance;
      fix_first(*found->second,
                fmt::format("Fix {} on this host first: it does not close the other ends.", process_text(leak.scope)));
    }
  }
}

void relate_listeners(std::vector<Finding>& findings) {
  using Place = std::pair<NetnsId, std::string>;
  std::map<Place, const Finding*> slow;
  for (const Finding& finding : findings) {
    bool names_listener = finding.id == "accept-queue-app-slow" && !finding.scope.local.empty();
    if (names_listener) slow.try_emplace({finding.scope.netns, finding.scope.local}, &finding);
  }
  auto slow_one = [&](const Finding& finding) {
    auto found = slow.find({finding.scope.netns, finding.scope.local});
    return found == slow.end() ? nullptr : found->second;
  };
  for (Finding& finding : findings) {
    const Finding* cause = finding.id == "close-wait-unaccepted" ? slow_one(finding) : nullptr;
    if (cause != nullptr) explain(finding, *cause, "the same accept loop is too slow, and its queue is full");
  }
  // A queue that is not emptied needs no longer one.
  std::set<Place> places;
  for (const auto& [place, finding] : slow) places.insert(place);
  std::erase_if(findings, [&](const Finding& finding) {
    return finding.id == "backlog-too-small" && places.contains({finding.scope.netns, finding.scope.local});
  });
}

bool is_application_fault(const Finding& finding) {
  static constexpr std::string_view kFaults[] = {"close-wait-leak", "closed-socket-fd-leak", "fin-wait2-app-held",
                                                 "reader-too-slow"};
  return finding.severity != Severity::info && std::ranges::find(kFaults, finding.id) != std::end(kFaults);
}

std::uint64_t memory_of(const OwnerTotals& owner) {
  return add_sat(owner.rmem, owner.wmem);
}

/// Memory that a faulty process holds is freed by the fix: no limit is raised for it.
void relate_memory(const Sample& sample, const Connections& connections, std::vector<Finding>& findings) {
  std::uint64_t total = 0;
  for (const OwnerTotals& owner : sample.owners) total = add_sat(total, memory_of(owner));
  for (Finding& memory : findings) {
    if (memory.id != "tcp-mem-pressure-global") continue;
    for (const Finding& fault : findings) {
      const OwnerTotals* owner = fault.scope.pid ? connections.owner(*fault.scope.pid) : nullptr;
      if (!is_application_fault(fault) || owner == nullptr || total == 0) continue;
      if (static_cast<double>(memory_of(*owner)) < kMostOfThem * static_cast<double>(total)) continue;
      memory.cause = fault.instance;  // pressure hurts every connection: it stays as severe as it is
      fix_first(memory, fmt::format("Fix {} first ({}): it holds {} of {}.", process_text(fault.scope), fault.id,
                                    human_bytes(memory_of(*owner)), human_bytes(total)));
      break;
    }
  }
}

bool speaks_of_queue(const Finding& finding) {
  static constexpr std::string_view kIds[] = {"pending-shutdown-data", "user-queue-unbounded", "user-queue-watermark"};
  return finding.scope.pid && std::ranges::find(kIds, finding.id) != std::end(kIds);
}

/// A reader on this host is why a program's own queue fills. The story is told once, at the queue, where it shows what
/// is at risk; the reader stays a finding of its own as far as it keeps others waiting.
void relate_user_queues(const Window& window, std::vector<Finding>& findings) {
  const Connections& connections = window.connections();
  // For each program that speaks: the processes in which connections with data end unread, and how many.
  std::map<Pid, std::map<Group, std::uint64_t>> unread;
  for (const UserQueue& queue : window.latest().user_queues) {
    const SocketRow* far = connections.other_end(queue);
    bool lies_unread = far != nullptr && far->recv_q > 0 && far->state == TcpState::established;
    std::optional<Group> reader = lies_unread ? group_of(*far) : std::nullopt;
    if (reader) ++unread[queue.pid][*reader];
  }
  std::map<Group, std::vector<std::size_t>> readers;                                      // findings about them
  std::map<std::pair<std::optional<Pid>, std::string>, std::vector<std::size_t>> locked;  // by pid and remote end
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const Scope& scope = findings[i].scope;
    if (findings[i].id == "reader-too-slow") readers[group_of(scope)].push_back(i);
    if (findings[i].id == "sndbuf-locked-by-app") locked[{scope.pid, scope.remote}].push_back(i);
  }
  for (Finding& story : findings) {
    if (!speaks_of_queue(story)) continue;
    std::map<std::size_t, std::uint64_t> related;  // reader's finding -> ends, in the order of findings
    if (auto ends = unread.find(*story.scope.pid); ends != unread.end()) {
      for (const auto& [group, count] : ends->second) {
        for (std::size_t i : readers[group]) related[i] = count;
      }
    }
    for (auto [i, count] : related) {
      Finding& reader = findings[i];
      if (story.cause.empty()) story.cause = reader.instance;
      if (count < reader.scope.count) continue;
      reader.severity = Severity::info;
      reader.confidence_why += fmt::format("; what waits for it is told by finding {}", story.instance);
    }
    for (std::size_t i : locked[{story.scope.pid, story.scope.remote}]) {
      if (findings[i].cause.empty()) {
        explain(findings[i], story, "the queue in front of this buffer tells why it is full");
      }
    }
  }
}

/// The last number of "0.75X X 1.5X" or of a single value: what targets are compared by.
std::int64_t magnitude(const Change& change) {
  return change.target.empty() ? 0 : change.target.back();
}

}  // namespace

void relate(const Window& window, std::vector<Finding>& findings) {
  relate_half_closed(window.connections(), findings);
  relate_listeners(findings);
  relate_memory(window.latest(), window.connections(), findings);
  relate_user_queues(window, findings);
}

void merge_knobs(std::vector<Finding>& findings) {
  std::map<std::pair<std::string_view, std::string>, Finding*> chosen;  // by knob and where it is set
  auto place_of = [](const Change& change) { return std::pair(change.knob, text_of(change).scope); };
  for (Finding& finding : findings) {
    const std::optional<Change>& change = finding.recommendation.change;
    if (!change) continue;
    Finding*& best = chosen[place_of(*change)];
    if (best == nullptr || magnitude(*change) > magnitude(*best->recommendation.change)) best = &finding;
  }
  for (Finding& finding : findings) {
    Recommendation& cure = finding.recommendation;
    if (!cure.change) continue;
    const Finding* best = chosen[place_of(*cure.change)];
    if (best == &finding) continue;
    Recommendation covered;
    covered.text = fmt::format("Covered by {} = {} of finding {}.", cure.change->knob,
                               values_text(best->recommendation.change->target), best->instance);
    covered.steps = cure.steps;
    covered.verify = cure.verify;
    cure = std::move(covered);
  }
}

}  // namespace tcpadvisor
