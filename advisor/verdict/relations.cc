// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/relations.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr double kMostOfThem = 0.5;

bool belongs_to(const SocketRow& row, TcpState state, const Scope& scope) {
  if (row.state != state || !held_by_process(row)) return false;
  if (scope.pid) return row.owner && row.owner->pid == *scope.pid;
  return !row.owner && row.netns == scope.netns;
}

/// Looks for the other end of connections between two sockets of this host. Loopback addresses repeat in every
/// namespace.
class OtherEnds {
 public:
  template <typename Wanted>
  OtherEnds(const Sample& sample, Wanted wanted) {
    for (const SocketRow& row : sample.sockets) {
      if (wanted(row)) ends_.insert({key(row.local, row.remote, row.netns), &row});
    }
  }
  bool has_peer_of(const SocketRow& row) const { return ends_.contains(key(row.remote, row.local, row.netns)); }

 private:
  using Key = std::tuple<Endpoint, Endpoint, NetnsId>;
  static Key key(const Endpoint& local, const Endpoint& remote, NetnsId netns) {
    return {local, remote, local.is_loopback() ? netns : NetnsId{0}};
  }
  std::map<Key, const SocketRow*> ends_;
};

/// True if most of the CLOSE_WAIT sockets of `leak` have their other end among `peers`.
bool most_ends_are(const Sample& sample, const Finding& leak, const OtherEnds& peers) {
  double all = 0, matched = 0;
  for (const SocketRow& row : sample.sockets) {
    if (!belongs_to(row, TcpState::close_wait, leak.scope)) continue;
    ++all;
    if (peers.has_peer_of(row)) ++matched;
  }
  return all > 0 && matched >= kMostOfThem * all;
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

/// Both ends of half-closed connections are on this host. The end that called shutdown(SHUT_WR) and keeps its
/// descriptor asks for more data; an end that still owes data is right not to close, so its CLOSE_WAIT proves nothing.
/// The end in FIN_WAIT_2 can end the connection by itself at any time: it is the finding. (A peer that closed fully is
/// an orphan and not held: then the CLOSE_WAIT side alone is at fault and stays as it is.)
void relate_half_closed(const Sample& sample, std::vector<Finding>& findings) {
  for (Finding& held : findings) {
    if (held.id != "fin-wait2-app-held") continue;
    OtherEnds peers(sample, [&](const SocketRow& row) { return belongs_to(row, TcpState::fin_wait_2, held.scope); });
    for (Finding& leak : findings) {
      if (leak.id != "close-wait-leak" || !leak.cause.empty() || leak.severity == Severity::critical) continue;
      if (!most_ends_are(sample, leak, peers)) continue;
      explain(leak, held,
              fmt::format("the peer, {}, has only shut down its sending half and may still wait for data",
                          process_text(held.scope)));
    }
  }
}

/// The orphans' peers leak on this same host: no timer needs to be shorter for them. The build-up stays as severe as it
/// is, because entries beyond tcp_max_tw_buckets harm other connections.
void relate_orphans(const Sample& sample, std::vector<Finding>& findings) {
  for (Finding& buildup : findings) {
    if (buildup.id != "fin-wait2-orphan-buildup") continue;
    OtherEnds orphans(sample, [&](const SocketRow& row) {
      return row.state == TcpState::fin_wait_2 && row.netns == buildup.scope.netns && !held_by_process(row);
    });
    for (const Finding& leak : findings) {
      if (leak.id != "close-wait-leak" || !most_ends_are(sample, leak, orphans)) continue;
      buildup.cause = leak.instance;
      fix_first(buildup,
                fmt::format("Fix {} on this host first: it does not close the other ends.", process_text(leak.scope)));
      break;
    }
  }
}

bool same_listener(const Finding& a, const Finding& b) {
  return a.scope.netns == b.scope.netns && !a.scope.local.empty() && a.scope.local == b.scope.local;
}

void relate_listeners(std::vector<Finding>& findings) {
  for (const Finding& slow : findings) {
    if (slow.id != "accept-queue-app-slow") continue;
    for (Finding& other : findings) {
      if (other.id == "close-wait-unaccepted" && same_listener(slow, other)) {
        explain(other, slow, "the same accept loop is too slow, and its queue is full");
      }
    }
  }
  // A queue that is not emptied needs no longer one.
  std::vector<Finding> slow;
  std::ranges::copy_if(findings, std::back_inserter(slow),
                       [](const Finding& f) { return f.id == "accept-queue-app-slow"; });
  std::erase_if(findings, [&](const Finding& finding) {
    return finding.id == "backlog-too-small" &&
           std::ranges::any_of(slow, [&](const Finding& other) { return same_listener(finding, other); });
  });
}

bool is_application_fault(const Finding& finding) {
  static constexpr std::string_view kFaults[] = {"close-wait-leak", "closed-socket-fd-leak", "fin-wait2-app-held",
                                                 "reader-too-slow"};
  return finding.severity != Severity::info && std::ranges::find(kFaults, finding.id) != std::end(kFaults);
}

/// Memory that a faulty process holds is freed by the fix: no limit is raised for it.
void relate_memory(const Sample& sample, std::vector<Finding>& findings) {
  std::uint64_t total = 0;
  for (const OwnerTotals& owner : sample.owners) total += owner.rmem + owner.wmem;
  for (Finding& memory : findings) {
    if (memory.id != "tcp-mem-pressure-global") continue;
    for (const Finding& fault : findings) {
      const OwnerTotals* owner = fault.scope.pid ? sample.find_owner(*fault.scope.pid) : nullptr;
      if (!is_application_fault(fault) || owner == nullptr || total == 0) continue;
      if (static_cast<double>(owner->rmem + owner->wmem) < kMostOfThem * static_cast<double>(total)) continue;
      memory.cause = fault.instance;  // pressure hurts every connection: it stays as severe as it is
      fix_first(memory, fmt::format("Fix {} first ({}): it holds {} of {}.", process_text(fault.scope), fault.id,
                                    human_bytes(owner->rmem + owner->wmem), human_bytes(total)));
      break;
    }
  }
}

bool speaks_of_queue(const Finding& finding) {
  static constexpr std::string_view kIds[] = {"pending-shutdown-data", "user-queue-unbounded", "user-queue-watermark"};
  return finding.scope.pid && std::ranges::find(kIds, finding.id) != std::end(kIds);
}

/// How many connections with data, of those that the program of `story` speaks for, end unread in the process of
/// `slow`.
std::uint64_t unread_ends(const Sample& sample, const Finding& story, const Finding& slow) {
  auto reads_slowly = [&](const SocketRow& row) {
    return row.recv_q > 0 && belongs_to(row, TcpState::established, slow.scope);
  };
  OtherEnds ends(sample, reads_slowly);
  return static_cast<std::uint64_t>(std::ranges::count_if(sample.user_queues, [&](const UserQueue& queue) {
    if (queue.pid != *story.scope.pid) return false;
    SocketRow near;
    near.netns = queue.netns;
    near.local = queue.local;
    near.remote = queue.remote;
    return ends.has_peer_of(near);
  }));
}

/// A reader on this host is why a program's own queue fills. The story is told once, at the queue, where it shows what
/// is at risk; the reader stays a finding of its own as far as it keeps others waiting.
void relate_user_queues(const Sample& sample, std::vector<Finding>& findings) {
  for (Finding& story : findings) {
    if (!speaks_of_queue(story)) continue;
    for (Finding& other : findings) {
      if (other.id == "reader-too-slow") {
        std::uint64_t ends = unread_ends(sample, story, other);
        if (ends == 0) continue;
        if (story.cause.empty()) story.cause = other.instance;
        if (ends < other.scope.count) continue;
        other.severity = Severity::info;
        other.confidence_why += fmt::format("; what waits for it is told by finding {}", story.instance);
      } else if (other.id == "sndbuf-locked-by-app" && other.scope.pid == story.scope.pid &&
                 other.scope.remote == story.scope.remote && other.cause.empty()) {
        explain(other, story, "the queue in front of this buffer tells why it is full");
      }
    }
  }
}

/// The last number of "0.75X X 1.5X" or of a single value: what targets are compared by.
double magnitude(const std::string& target) {
  auto number = parse_u64(std::string_view(target).substr(target.find_last_of(' ') + 1));
  return number ? static_cast<double>(*number) : 0;
}

}  // namespace

void relate(const Window& window, std::vector<Finding>& findings) {
  const Sample& sample = window.latest();
  relate_half_closed(sample, findings);
  relate_orphans(sample, findings);
  relate_listeners(findings);
  relate_memory(sample, findings);
  relate_user_queues(sample, findings);
}

void merge_knobs(std::vector<Finding>& findings) {
  std::map<std::pair<std::string, std::string>, Finding*> chosen;
  for (Finding& finding : findings) {
    const Recommendation& cure = finding.recommendation;
    if (cure.knob.empty()) continue;
    Finding*& best = chosen[{cure.knob, cure.scope}];
    if (best == nullptr || magnitude(cure.target) > magnitude(best->recommendation.target)) best = &finding;
  }
  for (Finding& finding : findings) {
    Recommendation& cure = finding.recommendation;
    if (cure.knob.empty()) continue;
    const Finding* best = chosen[{cure.knob, cure.scope}];
    if (best == &finding) continue;
    Recommendation covered;
    covered.text =
        fmt::format("Covered by {} = {} of finding {}.", cure.knob, best->recommendation.target, best->instance);
    covered.steps = cure.steps;
    covered.verify = cure.verify;
    cure = std::move(covered);
  }
}

}  // namespace tcpadvisor
