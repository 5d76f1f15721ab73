// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/holding.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/sort.h"
#include "advisor/base/text.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

using std::chrono::milliseconds;

Series count_rows(const Window& window, const Group& group, TcpState state) {
  return window.series(
      [&](const PastTick& tick) { return std::optional<double>(static_cast<double>(tick.count_of(group, state))); });
}

/// Bytes came or were acknowledged lately, in this state: a half-closed connection that still serves its purpose. What
/// moved before, while the connection was whole or longer ago than Policy::age, speaks for nothing. These counters only
/// grow, so that the first look and the row itself tell what came between.
bool moves(const Window& window, const Policy& policy, const SocketRow& row) {
  const double since_s = window.span_s() - static_cast<double>(policy.age.count()) / 1000;
  for (std::size_t i = 0; i < window.samples(); ++i) {
    if (window.seconds_at(i) < since_s) continue;
    const PastRow* then = window.at(i).find(row);
    if (then == nullptr || then->state != row.state) continue;
    return then->bytes_acked != Maybe<std::uint64_t>(row.bytes_acked) ||
           then->bytes_received != Maybe<std::uint64_t>(row.bytes_received);
  }
  return false;
}

/// It still has to send, and the peer takes nothing: whoever does not read owes the next step, not who does not close.
bool waits_for_its_reader(const SocketRow& row) {
  return row.send_q > 0 && (row.timer == Timer::persist || row.snd_wnd == 0u);
}

void judge_rows(const Window& window, const Policy& policy, Holding& holding) {
  std::vector<Age> ages;
  std::map<NetnsId, std::size_t> namespaces;
  std::uint64_t old_rows = 0, moving = 0;
  auto whole_window_ms = window.span_s() * 1000 * 0.9;
  for (const SocketRow* row : holding.rows) {
    Age age = window.age(*row);
    ages.push_back(age);
    ++namespaces[row->netns];
    holding.unread_bytes = add_sat(holding.unread_bytes, row->recv_q);
    if (moves(window, policy, *row) || waits_for_its_reader(*row)) {
      ++moving;
    } else if (age.value >= policy.age) {
      ++old_rows;
    } else if (age.lower_bound && static_cast<double>(age.value.count()) >= whole_window_ms) {
      ++holding.persisted;
    }
  }
  // The totals know ages from the last segment that came in; the rows from the transition itself. Both are lower
  // bounds.
  holding.old = std::min(sub_sat(holding.count, moving), std::max(holding.old, old_rows));
  if (ages.empty()) return;
  std::ranges::sort(ages, {}, &Age::value);
  holding.oldest = ages.back();
  holding.median = ages[ages.size() / 2];
  holding.scope.netns = std::ranges::max_element(namespaces, {}, [](const auto& entry) { return entry.second; })->first;
}

/// By process: sockets in the state that it merely keeps open, while another holder is the one that matters. They are
/// in its totals, and are reported with that other.
std::map<Pid, std::uint64_t> merely_kept(const Window& window, TcpState state) {
  std::map<Pid, std::uint64_t> out;
  for (const SocketRow* row : window.connections().in_state(state)) {
    for (const HoldingProcess& other : row->others) ++out[other.pid];
  }
  return out;
}

}  // namespace

std::string common_end(const std::vector<Endpoint>& ends) {
  if (ends.empty()) return "";
  const Endpoint& first = ends.front();
  bool same_ip = std::ranges::all_of(ends, [&](const Endpoint& end) { return end.ip == first.ip; });
  bool same_port = std::ranges::all_of(ends, [&](const Endpoint& end) { return end.port == first.port; });
  if (same_ip) return same_port && first.port != 0 ? first.text() : first.ip_text();
  return same_port ? fmt::format("port {}", first.port) : "";
}

std::string common_local(const std::vector<const SocketRow*>& rows) {
  std::vector<Endpoint> ends;
  ends.reserve(rows.size());
  for (const SocketRow* row : rows) ends.push_back(row->local);
  return common_end(ends);
}

std::string common_remote(const std::vector<const SocketRow*>& rows) {
  std::vector<Endpoint> ends;
  ends.reserve(rows.size());
  for (const SocketRow* row : rows) ends.push_back(row->remote);
  return common_end(ends);
}

void name_sockets(Scope& scope, const std::vector<const SocketRow*>& rows) {
  name_holder(scope, rows);
  scope.local = common_local(rows);
  scope.remote = common_remote(rows);
  scope.count = rows.size();
}

std::vector<Holding> holdings(const Window& window, const Policy& policy, TcpState state) {
  const Sample& now = window.latest();
  std::map<Group, Holding> groups;
  for (const SocketRow* row : window.connections().in_state(state)) {
    std::optional<Group> group = group_of(*row);
    if (!group) continue;
    Holding& holding = groups[*group];
    holding.rows.push_back(row);
    holding.scope.netns = row->netns;
  }
  for (const OwnerTotals& owner : now.owners) {
    if (owner.sockets[index_of(state)] == 0) continue;
    Holding& holding = groups[{.pid = owner.pid, .netns = 0}];
    holding.owner = &owner;
    holding.scope.pid = owner.pid;
    holding.scope.comm = owner.comm;
    holding.scope.netns = owner.netns;
    holding.scope.cgroup = owner.cgroup;
  }

  const std::map<Pid, std::uint64_t> kept = merely_kept(window, state);
  std::vector<Holding> out;
  for (auto& [group, holding] : groups) {
    holding.count = holding.rows.size();
    if (const OwnerTotals* owner = holding.owner) {
      auto keeps = kept.find(owner->pid);
      std::uint64_t held = owner->sockets[index_of(state)], of_others = keeps == kept.end() ? 0 : keeps->second;
      holding.count = std::max(holding.count, sub_sat(held, of_others));
      if (holding.count == 0) continue;
      holding.old = state == TcpState::close_wait   ? owner->old_close_wait
                    : state == TcpState::fin_wait_2 ? owner->old_fin_wait_2
                                                    : 0;
      holding.counts = window.owner_series(
          *owner, [&](const PastOwner& then) { return std::optional<double>(then.sockets[index_of(state)]); });
    } else {
      holding.counts = count_rows(window, group, state);
    }
    judge_rows(window, policy, holding);
    Scope& scope = holding.scope;
    scope.kind = ScopeKind::process;
    name_holder(scope, holding.rows);
    scope.netns_name = netns_name(now, scope.netns);
    scope.local = common_local(holding.rows);
    scope.remote = common_remote(holding.rows);
    if (scope.remote.empty() && scope.local.empty() && !holding.rows.empty()) scope.local = "several addresses";
    scope.count = holding.count;
    out.push_back(std::move(holding));
  }
  sort_by_key(out, [](const Holding& holding) { return ~holding.count; });  // largest first
  return out;
}

std::vector<Holding> together(const Window& window, std::vector<Holding> holdings, TcpState state) {
  constexpr Pid kInit = 1;  // it adopts whatever has lost its parent: its children have nothing in common
  std::map<std::tuple<Pid, std::string, NetnsId>, std::vector<Holding*>> families;
  for (Holding& one : holdings) {
    if (one.owner == nullptr || one.owner->parent <= kInit) continue;
    families[{one.owner->parent, one.owner->comm, one.scope.netns}].push_back(&one);
  }
  std::vector<Holding> out;
  for (auto& [key, members] : families) {
    if (members.size() < 2) continue;
    std::vector<std::uint64_t> keys;
    Holding& all = out.emplace_back();
    all.scope = members.front()->scope;
    all.scope.sharing = members.size() - 1;
    for (const Holding* one : members) {
      keys.push_back(past_key(*one->owner));
      all.count = add_sat(all.count, one->count);
      all.old = add_sat(all.old, one->old);
      all.persisted = add_sat(all.persisted, one->persisted);
      all.unread_bytes = add_sat(all.unread_bytes, one->unread_bytes);
      all.rows.insert(all.rows.end(), one->rows.begin(), one->rows.end());
      if (one->oldest.value > all.oldest.value) all.oldest = one->oldest;
      if (one != members.front() && all.scope.others.size() < kMaxOthers)
        all.scope.others.push_back(
            {.pid = one->owner->pid, .comm = one->owner->comm, .fds = 1, .pid_inside = one->owner->pid_inside});
    }
    all.median = members.front()->median;
    all.counts = window.series([&](const PastTick& tick) {
      double sum = 0;
      for (std::uint64_t one : keys) {
        if (const PastOwner* then = tick.owners.find(one)) sum += then->sockets[index_of(state)];
      }
      return std::optional(sum);
    });
    all.scope.local = common_local(all.rows);
    all.scope.remote = common_remote(all.rows);
    all.scope.count = all.count;
  }
  return out;
}

std::vector<Measurement> leak_evidence(const Window& window, const Policy& policy, const Holding& holding,
                                       const std::string& prefix, std::uint64_t threshold) {
  const Sample& now = window.latest();
  std::string counter = source_of(now, holding.owner != nullptr ? FactId::owners : FactId::snapshot);
  auto age_s = [](Age age) { return static_cast<double>(age.value.count()) / 1000; };
  auto policy_s = static_cast<double>(policy.age.count()) / 1000;
  std::vector<Measurement> out;
  out.reserve(6);
  out.push_back(measured(window, prefix + "_sockets", counter, static_cast<double>(holding.count), "sockets",
                         static_cast<double>(threshold)));
  out.push_back(measured(window, prefix + "_sockets_over_age", counter, static_cast<double>(holding.old), "sockets",
                         static_cast<double>(threshold)));
  // Without rows the totals still say that some are older than the mark.
  double oldest_s = holding.rows.empty() ? policy_s : age_s(holding.oldest);
  out.push_back(measured(window, holding.oldest.lower_bound ? "oldest_age_at_least" : "oldest_age",
                         source_of(now, FactId::snapshot), oldest_s, "s", policy_s));
  Measurement growth = measured(window, prefix + "_growth", counter, holding.counts.per_minute(), "per_min");
  growth.samples = holding.counts.size();
  out.push_back(growth);
  if (holding.unread_bytes > 0) {
    out.push_back(measured(window, "unread_bytes", source_of(now, FactId::snapshot),
                           static_cast<double>(holding.unread_bytes), "bytes"));
  }
  if (holding.owner != nullptr && holding.owner->fds && holding.owner->fd_limit.value_or(0) > 0) {
    double share = static_cast<double>(*holding.owner->fds) / static_cast<double>(*holding.owner->fd_limit);
    out.push_back(measured(window, "fd_use", source_of(now, FactId::owners), share, "ratio", policy.value(kFdUse)));
  }
  return out;
}

}  // namespace tcpadvisor
