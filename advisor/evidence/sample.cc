// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/sample.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "advisor/base/saturate.h"

namespace tcpadvisor {

std::uint64_t CallStats::calls() const {
  return std::accumulate(slots.begin(), slots.end(), std::uint64_t{0});
}

std::uint64_t RetransmitCounts::total() const {
  std::uint64_t sum = 0;
  for (auto kind : kRetransmitKinds) sum = add_sat(sum, this->*kind);
  return sum;
}

Endpoint network_of(const Endpoint& address) {
  return address.prefix(address.v6 ? 64 : 24);
}

std::uint64_t NetworkTotals::connections() const {
  return std::accumulate(sockets.begin(), sockets.end(), std::uint64_t{0});
}

std::uint32_t OwnerTotals::tcp_sockets() const {
  return std::accumulate(sockets.begin(), sockets.end(), 0u, add_sat<std::uint32_t>);
}

const FactCoverage* Sample::fact(FactId id) const {
  auto at = std::ranges::find(coverage, id, &FactCoverage::fact);
  return at == coverage.end() ? nullptr : &*at;
}

bool Sample::knows(FactId id) const {
  const FactCoverage* found = fact(id);
  return found != nullptr && !found->in_use.empty();
}

SourceKind Sample::source(FactId id) const {
  const FactCoverage* found = fact(id);
  return found == nullptr ? SourceKind::none : found->kind;
}

const NetnsSample* Sample::find_netns(NetnsId id) const {
  auto at = std::ranges::find(netns, id, &NetnsSample::id);
  return at == netns.end() ? nullptr : &*at;
}

const NetnsSample* Sample::host_netns() const {
  auto at = std::ranges::find(netns, true, &NetnsSample::is_host);
  return at == netns.end() ? nullptr : &*at;
}

const OwnerTotals* Sample::find_owner(Pid pid) const {
  auto at = std::ranges::find(owners, pid, &OwnerTotals::pid);
  return at == owners.end() ? nullptr : &*at;
}

namespace {

auto connection_of(const auto& end) {
  return std::tie(end.netns, end.local, end.remote);
}

}  // namespace

const UserQueue* Sample::user_queue_of(const SocketRow& row) const {
  auto at =
      std::ranges::find_if(user_queues, [&](const UserQueue& q) { return connection_of(q) == connection_of(row); });
  return at == user_queues.end() ? nullptr : &*at;
}

const SocketRow* Sample::row_of(const UserQueue& queue) const {
  auto at = std::ranges::find_if(sockets, [&](const SocketRow& r) { return connection_of(r) == connection_of(queue); });
  return at == sockets.end() ? nullptr : &*at;
}

}  // namespace tcpadvisor
