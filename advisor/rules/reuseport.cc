// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/accept_queue.h"
#include "advisor/rules/explained.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/rule.h"
#include "advisor/rules/safe_steps.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace reuseport_rule {
namespace {

constexpr Threshold kMinWaiting = count_threshold("min_waiting", 3, "connections").clears_at(0.6);
constexpr Threshold kIdleFill =
    ratio_threshold("idle_fill", 0.25).clears_at(1.5);  // of the limit: the others have room
constexpr Threshold kMostSamples = ratio_threshold("most_samples", 0.8).clears_at(0.8);
constexpr std::size_t kFewestSamples = 5;
constexpr double kFullInHalf = 0.5;  // of the samples

/// One socket of a SO_REUSEPORT group.
struct Member {
  const QueueHistory* queue = nullptr;
  double least = 0;    ///< connections that waited all the time
  bool full = false;   ///< in most samples
  bool drops = false;  ///< for want of room
  bool never_shorter = false;
  bool fails() const { return full || drops || never_shorter; }
};

Member member_of(const Evidence& in, const QueueHistory& queue) {
  Member out{.queue = &queue};
  const Series& waiting = queue.waiting;
  out.least = waiting.min();
  out.full = queue.full_share() >= kFullInHalf;
  out.drops = queue.drops_are_exact && queue.drops.value_or(0) > 0 && queue.overflowed();
  out.never_shorter =
      waiting.size() >= kFewestSamples && waiting.falls() == 0 && out.least >= in.policy.value(kMinWaiting);
  return out;
}

bool has_room(const Evidence& in, const Member& member) {
  const double idle = in.policy.value(kIdleFill);
  return !member.fails() && member.queue->fill.last() < idle &&
         member.queue->idle_share(idle) >= in.policy.value(kMostSamples);
}

std::string what_it_does(const Member& member) {
  if (member.full) return member.drops ? "its queue is full and drops connections" : "its queue is full";
  if (member.drops) return "its queue overflows";
  return fmt::format("{} for its accept() all the time",
                     counted(to_u64(member.least), "connection") + (member.least == 1 ? " waits" : " wait"));
}

Finding finding_for(const Evidence& in, const Member& member, std::size_t members, std::size_t with_room,
                    double fullest_other) {
  const Window& window = in.window;
  const SocketRow& listener = *member.queue->listener;
  Finding finding;
  finding.id = "reuseport-unbalanced";
  finding.severity = member.full && member.drops ? Severity::critical : Severity::warning;
  finding.finding_class = FindingClass::application;
  finding.scope = scope_of_listener(in.now(), listener);
  finding.topic = fmt::format("inode {}", listener.inode);
  finding.title = fmt::format("{} falls behind on {}: {}, while {} of its SO_REUSEPORT group {} room",
                              process_text(finding.scope), port_text(listener), what_it_does(member),
                              counted(with_room, "other listener"), with_room == 1 ? "has" : "have");
  finding.confidence_why = "each member's queue was seen by itself, on the same address and port";
  std::string source = source_of(in.now(), FactId::snapshot);
  std::optional<double> limit;
  if (listener.accept_limit) limit = *listener.accept_limit;
  finding.evidence.push_back(
      measured(window, "accept_queue", source, listener.accept_queue.value_or(0), "connections", limit));
  finding.evidence.push_back(measured(window, "fewest_waiting", source, member.least, "connections"));
  finding.evidence.push_back(
      measured(window, "fullest_other_queue", source, fullest_other, "ratio", in.policy.value(kIdleFill)));
  finding.evidence.push_back(measured(window, "members", source, static_cast<double>(members), "listeners"));
  if (member.queue->drops_are_exact) {
    finding.evidence.push_back(measured(window, "drops", source, *member.queue->drops, "connections", 0));
  }
  finding.meaning = fmt::format(
      "The kernel chooses a member by the addresses of a connection, not by who has room: about one client in {} comes "
      "to "
      "this one, waits or is dropped, and the next try of another port may go well.",
      members);
  Recommendation& cure = finding.recommendation;
  cure.kind = RecommendationKind::application;
  cure.text = fmt::format("Fix this worker: {} (its listening socket has inode {}). The others keep up.",
                          process_text(finding.scope), listener.inode);
  cure.steps.push_back(step_to_see_why(listener));
  std::string prefix = in_netns(in.now(), listener.netns);
  cure.steps.push_back(
      fmt::format("tell the members apart: {}ss -ltnpe 'sport = :{}' shows ino: of each", prefix, listener.local.port));
  if (listener.owner && StepTarget::of(*listener.owner).harmless()) {
    cure.steps.push_back(
        "a restart of this worker gives its share to the others (net.ipv4.tcp_migrate_req = 1 also "
        "those that wait)");
  }
  cure.steps.push_back("if a BPF program steers the group (SO_ATTACH_REUSEPORT_CBPF, _EBPF), see whom it chooses");
  cure.verify = fmt::format("{}ss -ltn 'sport = :{}': Recv-Q of all members is near 0", prefix, listener.local.port);
  finding.not_useful = {
      {"net.core.somaxconn, the listen() backlog", "the other queues have room; a longer one only hides this member's"},
      {"more workers", "each gets a smaller share, and this one still gets its own"},
  };
  return finding;
}

Outcome judge_reuseport_unbalanced(const Evidence& in) {
  const std::vector<QueueHistory>& queues = in.accept_queues();
  std::string not_assessed = listener_problem(in.window, queues);
  std::map<std::pair<NetnsId, Endpoint>, std::vector<Member>> groups;
  for (const QueueHistory& queue : queues) {
    if (!queue.fill.empty()) groups[{queue.listener->netns, queue.listener->local}].push_back(member_of(in, queue));
  }
  std::vector<Finding> findings;
  std::size_t seen = 0;
  for (const auto& [place, members] : groups) {
    if (members.size() < 2) continue;
    ++seen;
    std::size_t with_room = 0, failing = 0;
    double fullest = 0;
    for (const Member& member : members) {
      failing += member.fails() ? 1 : 0;
      if (!has_room(in, member)) continue;
      ++with_room;
      fullest = std::max(fullest, member.queue->fill.last());
    }
    // Where most fail it is no matter of balance.
    if (failing == 0 || 2 * with_room < members.size()) continue;
    if (in.window.samples() < kFewestSamples) {
      not_assessed = too_few_samples(in.window, kFewestSamples);
      continue;
    }
    for (const Member& member : members) {
      if (member.fails()) findings.push_back(finding_for(in, member, members.size(), with_room, fullest));
    }
  }
  return Outcome::of(std::move(findings), std::move(not_assessed), "SO_REUSEPORT groups with one member behind",
                     fmt::format("0 of {}", with_commas(seen)));
}

constexpr std::array kThresholds = {kMinWaiting, kIdleFill, kMostSamples};
constexpr std::array<std::string_view, 2> kReferences = {"socket(7): SO_REUSEPORT",
                                                         "net/core/sock_reuseport.c: reuseport_select_sock"};
constexpr std::array kExplainedBy = {kProcessStopped, kNoDescriptors};

}  // namespace
}  // namespace reuseport_rule

namespace rules {

extern const Rule reuseport_unbalanced = {
    .id = "reuseport-unbalanced",
    .title = "one of several listeners on a port falls behind",
    .explanation =
        "Several sockets listen on one address and port (SO_REUSEPORT), each with a queue of its own. The kernel "
        "spreads "
        "connections by a hash of their addresses, so a member that is slow or hangs keeps getting its share, although "
        "the others have room.",
    .thresholds = reuseport_rule::kThresholds,
    .references = reuseport_rule::kReferences,
    .explained_by = reuseport_rule::kExplainedBy,
    .judge = reuseport_rule::judge_reuseport_unbalanced,
};

}  // namespace rules
}  // namespace tcpadvisor
