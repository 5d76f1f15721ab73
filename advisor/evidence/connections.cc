// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/connections.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace tcpadvisor {
namespace {

using Ends = std::tuple<const Endpoint&, const Endpoint&>;

Ends ends_of(const SocketRow* row) {
  return {row->local, row->remote};
}

auto place_of(const SocketRow* row) {
  return std::tie(row->local, row->remote, row->netns, row->kind);
}

auto connection_of(const auto* end) {
  return std::tie(end->netns, end->local, end->remote);
}

auto port_of(const SocketRow* row) {
  return std::tuple(row->netns, row->local.port);
}

auto totals_of(const PortTotals* port) {
  return std::tuple(port->netns, port->port);
}

template <typename Key, typename Read>
Rows matching(const std::vector<const SocketRow*>& sorted, const Key& key, Read read) {
  auto found = std::ranges::equal_range(sorted, key, std::ranges::less{}, read);
  return {found.begin(), found.end()};
}

}  // namespace

Connections::Connections(const Sample& sample) {
  std::array<std::vector<std::pair<Group, const SocketRow*>>, kStateCount> by_group;  // sorted without a look at rows
  for (const SocketRow& row : sample.sockets) {
    std::size_t state = index_of(row.state);
    by_state_[state].push_back(&row);
    if (auto group = group_of(row)) by_group[state].emplace_back(*group, &row);
    if (row.state == TcpState::listen) {
      listeners_.push_back(&row);
    } else if (row.remote.port != 0) {
      by_ends_.push_back(&row);
    }
  }
  for (const UserQueue& queue : sample.user_queues) queues_.push_back(&queue);
  for (const OwnerTotals& owner : sample.owners) owners_.push_back(&owner);
  std::ranges::stable_sort(by_ends_, [](const SocketRow* a, const SocketRow* b) { return place_of(a) < place_of(b); });
  for (std::size_t state = 0; state < kStateCount; ++state) {
    std::ranges::stable_sort(by_group[state], {}, &std::pair<Group, const SocketRow*>::first);
    for (const auto& [group, row] : by_group[state]) {
      groups_[state].push_back(group);
      by_group_[state].push_back(row);
    }
  }
  std::ranges::stable_sort(listeners_, {}, port_of);
  std::ranges::stable_sort(queues_,
                           [](const UserQueue* a, const UserQueue* b) { return connection_of(a) < connection_of(b); });
  std::ranges::stable_sort(owners_, {}, &OwnerTotals::pid);
  by_parent_ = owners_;
  std::ranges::stable_sort(by_parent_, {}, &OwnerTotals::parent);
  for (const PortTotals& port : sample.ports) ports_.push_back(&port);
  std::ranges::stable_sort(ports_, {}, totals_of);
}

const SocketRow* Connections::other_end_of(NetnsId netns, const Endpoint& local, const Endpoint& remote) const {
  Rows mirrored = matching(by_ends_, Ends(remote, local), ends_of);
  auto here = std::ranges::lower_bound(mirrored, netns, {}, &SocketRow::netns);
  if (here != mirrored.end() && (*here)->netns == netns) return *here;
  bool one_namespace = !mirrored.empty() && mirrored.front()->netns == mirrored.back()->netns;
  if (local.is_loopback() || !one_namespace) return nullptr;
  Rows alike = matching(by_ends_, Ends(local, remote), ends_of);
  bool has_twin = !alike.empty() && (alike.front()->netns != netns || alike.back()->netns != netns);
  return has_twin ? nullptr : mirrored.front();
}

const SocketRow* Connections::other_end(const SocketRow& row) const {
  const SocketRow* found = other_end_of(row.netns, row.local, row.remote);
  return found == &row ? nullptr : found;  // connected to itself
}

const SocketRow* Connections::other_end(const UserQueue& queue) const {
  return other_end_of(queue.netns, queue.local, queue.remote);
}

const SocketRow* Connections::row_of(const UserQueue& queue) const {
  Rows rows = matching(by_ends_, Ends(queue.local, queue.remote), ends_of);
  auto found = std::ranges::lower_bound(rows, queue.netns, {}, &SocketRow::netns);
  return found != rows.end() && (*found)->netns == queue.netns ? *found : nullptr;
}

const UserQueue* Connections::queue_of(const SocketRow& row) const {
  auto found = std::ranges::lower_bound(queues_, connection_of(&row), std::ranges::less{},
                                        [](const UserQueue* queue) { return connection_of(queue); });
  return found != queues_.end() && connection_of(*found) == connection_of(&row) ? *found : nullptr;
}

const OwnerTotals* Connections::owner(Pid pid) const {
  auto found = std::ranges::lower_bound(owners_, pid, {}, &OwnerTotals::pid);
  return found != owners_.end() && (*found)->pid == pid ? *found : nullptr;
}

std::span<const OwnerTotals* const> Connections::children(Pid parent) const {
  auto [first, last] = std::ranges::equal_range(by_parent_, parent, {}, &OwnerTotals::parent);
  return {first, last};
}

const PortTotals* Connections::port(NetnsId netns, std::uint16_t port) const {
  const std::tuple wanted(netns, port);
  auto found = std::ranges::lower_bound(ports_, wanted, std::ranges::less{}, totals_of);
  return found != ports_.end() && totals_of(*found) == wanted ? *found : nullptr;
}

Rows Connections::held(const Group& group, TcpState state) const {
  const std::vector<Group>& groups = groups_[index_of(state)];
  auto [first, last] = std::ranges::equal_range(groups, group);
  return Rows(by_group_[index_of(state)])
      .subspan(static_cast<std::size_t>(first - groups.begin()), static_cast<std::size_t>(last - first));
}

Rows Connections::listeners(NetnsId netns, std::uint16_t port) const {
  return matching(listeners_, std::tuple(netns, port), port_of);
}

}  // namespace tcpadvisor
