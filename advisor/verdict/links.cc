// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/links.h"

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/rules/listener_scope.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr double kMostOfThem = 0.5;

/// Whose sockets a finding is about.
Group holder_of(const Scope& scope) {
  return {.pid = scope.pid, .netns = scope.pid ? 0 : scope.netns};
}

std::uint64_t count_in(const auto& counts, const auto& key) {
  auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

const std::vector<Finding*> kNoFindings;

/// Those of `findings` that have this key. `lists` is made when somebody asks; its keys refer to the findings' scopes.
template <typename Key, typename KeyOf>
const std::vector<Finding*>& list_in(std::optional<std::map<Key, std::vector<Finding*>>>& lists,
                                     const std::vector<Finding*>& findings, const Key& key, KeyOf key_of) {
  if (!lists) {
    lists.emplace();
    for (Finding* finding : findings) (*lists)[key_of(finding->scope)].push_back(finding);
  }
  auto found = lists->find(key);
  return found == lists->end() ? kNoFindings : found->second;
}

bool most(std::uint64_t part, std::uint64_t all) {
  return part > 0 && static_cast<double>(part) >= kMostOfThem * static_cast<double>(all);
}

std::uint64_t memory_of_owner(const OwnerTotals& owner) {
  return add_sat(owner.rmem, owner.wmem);
}

/// All addresses of its namespace, or this very one; another namespace's only by an address that is not loopback.
bool listens_at(const Scope& listener, const Scope& attempts) {
  if (listener.local.empty() || attempts.remote.empty()) return false;
  if (listener.local == attempts.remote)
    return listener.netns == attempts.netns ||
           !(attempts.remote.starts_with("127.") || attempts.remote.starts_with("[::1]"));
  std::size_t colon = attempts.remote.rfind(':');
  std::string port = colon == std::string::npos ? "" : attempts.remote.substr(colon);
  return listener.netns == attempts.netns && !port.empty() &&
         (listener.local == "0.0.0.0" + port || listener.local == "[::]" + port);
}

}  // namespace

/// Of the CLOSE_WAIT sockets of one holder: how many have their other end where.
struct Links::OtherEnds {
  std::uint64_t all = 0;
  std::map<Group, std::uint64_t> held;       ///< in FIN_WAIT_2, and a process has them, by that process
  std::map<NetnsId, std::uint64_t> orphans;  ///< in FIN_WAIT_2, and closed, by namespace

  void add(const SocketRow* far) {
    ++all;
    if (far == nullptr || far->state != TcpState::fin_wait_2) return;
    if (std::optional<Group> group = group_of(*far)) {
      ++held[*group];
    } else {
      ++orphans[far->netns];
    }
  }
};

struct Links::Index {
  std::map<Group, OtherEnds> other_ends, awaited_ends;  ///< of those that were asked for
  /// For each program that speaks: the processes in which connections with data end unread, and how many.
  std::map<Pid, std::map<Group, std::uint64_t>> unread;
  std::uint64_t memory = 0;

  Index(const Sample& sample, const Connections& connections) {
    for (const UserQueue& queue : sample.user_queues) {
      const SocketRow* far = connections.other_end(queue);
      bool lies_unread = far != nullptr && far->recv_q > 0 && far->state == TcpState::established;
      std::optional<Group> reader = lies_unread ? group_of(*far) : std::nullopt;
      if (reader) ++unread[queue.pid][*reader];
    }
    for (const OwnerTotals& owner : sample.owners) memory = add_sat(memory, memory_of_owner(owner));
  }
};

const std::vector<Finding*>& Causes::of_holder(const Group& holder) const {
  return list_in(by_holder_, all_, holder, holder_of);
}
const std::vector<Finding*>& Causes::of_listener(const Scope& scope) const {
  if (scope.local.empty()) return kNoFindings;
  auto key_of = [](const Scope& of) { return Listener(of.netns, of.pid, of.local); };
  return list_in(by_listener_, all_, key_of(scope), key_of);
}
const std::vector<Finding*>& Causes::of_flow(const Scope& scope) const {
  auto key_of = [](const Scope& of) { return Flow(of.pid, of.remote); };
  return list_in(by_flow_, all_, key_of(scope), key_of);
}

Links::Links(const Window& window) : sample_(window.latest()), connections_(window.connections()) {}
Links::~Links() = default;

Links::Index& Links::index() const {
  if (!index_) index_ = std::make_unique<Index>(sample_, connections_);
  return *index_;
}

Relays& Links::relays() const {
  if (!relays_) relays_ = std::make_unique<Relays>(connections_);
  return *relays_;
}

const Links::OtherEnds& Links::other_ends(const Finding& leak) const {
  auto [at, fresh] = index().other_ends.try_emplace(holder_of(leak.scope));
  if (fresh) {
    for (const SocketRow* row : connections_.held(at->first, TcpState::close_wait)) {
      at->second.add(connections_.other_end(*row));
    }
  }
  return at->second;
}

/// Of the sockets of one process whose peers owe the next step: to read, to accept or to close.
const Links::OtherEnds& Links::awaited_ends(const Finding& effect) const {
  auto [at, fresh] = index().awaited_ends.try_emplace(holder_of(effect.scope));
  if (!fresh) return at->second;
  for (TcpState state : {TcpState::established, TcpState::close_wait, TcpState::fin_wait_1, TcpState::fin_wait_2}) {
    for (const SocketRow* row : connections_.held(at->first, state)) {
      if (row->send_q == 0 && state != TcpState::fin_wait_2) continue;
      ++at->second.all;
      const SocketRow* far = connections_.other_end(*row);
      if (far != nullptr && far->holder == Holder::unaccepted) {
        far = listener_of(connections_, far->netns, far->local);
      }
      if (std::optional<Group> group = far == nullptr ? std::nullopt : group_of(*far)) ++at->second.held[*group];
    }
  }
  return at->second;
}

bool Links::fills_descriptors(const Finding& cause) const {
  const OwnerTotals* owner = cause.scope.pid ? connections_.owner(*cause.scope.pid) : nullptr;
  return owner != nullptr && owner->fds && most(cause.scope.count, *owner->fds);
}

std::uint64_t Links::unread_ends(const Finding& story, const Finding& reader) const {
  if (!story.scope.pid) return 0;
  auto ends = index().unread.find(*story.scope.pid);
  return ends == index().unread.end() ? 0 : count_in(ends->second, holder_of(reader.scope));
}

std::uint64_t Links::memory_of(const Finding& finding) const {
  const OwnerTotals* owner = finding.scope.pid ? connections_.owner(*finding.scope.pid) : nullptr;
  return owner == nullptr ? 0 : memory_of_owner(*owner);
}

std::uint64_t Links::memory() const {
  return index().memory;
}

std::vector<Finding*> Links::causes_of(Link link, const Finding& effect, const Causes& causes) const {
  std::vector<Finding*> out;
  auto add = [&](const std::vector<Finding*>& more) { out.insert(out.end(), more.begin(), more.end()); };
  switch (link) {
    case Link::other_ends: {
      const OtherEnds& ends = other_ends(effect);
      for (const auto& [holder, count] : ends.held) {
        // A relay waits for the very socket that the effect is about.
        if (most(count, ends.all) && relays().owes(holder) != holder_of(effect.scope)) add(causes.of_holder(holder));
      }
      break;
    }
    case Link::ends_of_cause:
      for (Finding* cause : causes.all()) {
        const OtherEnds& ends = other_ends(*cause);
        if (most(count_in(ends.orphans, effect.scope.netns), ends.all)) out.push_back(cause);
      }
      break;
    case Link::same_listener:
      add(causes.of_listener(effect.scope));
      break;
    case Link::shared_listener:
      for (Finding* cause : causes.all()) {
        const Scope &of_cause = cause->scope, &here = effect.scope;
        bool shares =
            of_cause.pid && std::ranges::find(here.others, *of_cause.pid, &HoldingProcess::pid) != here.others.end();
        if (shares && of_cause.netns == here.netns && of_cause.local == here.local) out.push_back(cause);
      }
      break;
    case Link::most_memory:
      for (Finding* cause : causes.all()) {
        if (most(memory_of(*cause), memory())) out.push_back(cause);
      }
      break;
    case Link::unread_ends:
      if (!effect.scope.pid) break;
      if (auto ends = index().unread.find(*effect.scope.pid); ends != index().unread.end()) {
        for (const auto& [group, count] : ends->second) add(causes.of_holder(group));
      }
      break;
    case Link::listener_at_remote:
      for (Finding* cause : causes.all()) {
        if (listens_at(cause->scope, effect.scope)) out.push_back(cause);
      }
      break;
    case Link::whole_host:
      for (Finding* cause : causes.all()) {
        if (cause->scope.kind == ScopeKind::host && effect.scope.kind == ScopeKind::host) out.push_back(cause);
      }
      break;
    case Link::most_of_them: {
      const Scope& scope = effect.scope;
      if (!scope.pid && scope.kind != ScopeKind::host) break;
      for (Finding* cause : scope.pid ? causes.of_holder(holder_of(scope)) : causes.all()) {
        const bool same_peer = scope.remote.empty() || cause->scope.remote == scope.remote;
        if (same_peer && most(cause->scope.count, scope.count)) out.push_back(cause);
      }
      break;
    }
    case Link::same_flow:
      add(causes.of_flow(effect.scope));
      break;
    case Link::relayed:
      if (std::optional<Group> end = relays().owes(holder_of(effect.scope))) add(causes.of_holder(*end));
      break;
    case Link::other_side:
      if (relays().waits_elsewhere(holder_of(effect.scope))) add(causes.of_holder(holder_of(effect.scope)));
      break;
    case Link::same_process:
      if (effect.scope.pid) add(causes.of_holder(holder_of(effect.scope)));
      break;
    case Link::waits_for: {
      const OtherEnds& ends = awaited_ends(effect);
      std::uint64_t explained = 0;  // by all causes together: workers may have a part each
      for (const auto& [holder, count] : ends.held) {
        if (!causes.of_holder(holder).empty()) explained = add_sat<std::uint64_t>(explained, count);
      }
      if (!most(explained, ends.all)) break;
      for (const auto& [holder, count] : ends.held) add(causes.of_holder(holder));
      break;
    }
    case Link::most_fds:
      if (!effect.scope.pid) break;
      for (Finding* cause : causes.of_holder(holder_of(effect.scope))) {
        if (fills_descriptors(*cause)) out.push_back(cause);
      }
      break;
  }
  std::ranges::sort(out);  // of one vector: the order of their addresses
  return out;
}

}  // namespace tcpadvisor
