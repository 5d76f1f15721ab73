// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/network_tally.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "advisor/base/saturate.h"

namespace tcpadvisor::collect {
namespace {

void look_at(const SocketRow& row, NetworkTotals& into) {
  ++into.looked;
  const std::uint64_t sent = row.last_data_sent_ms.value_or(std::numeric_limits<std::uint32_t>::max());
  const std::uint64_t idle_ms =
      std::min<std::uint64_t>(sent, row.last_data_recv_ms.value_or(std::numeric_limits<std::uint32_t>::max()));
  const auto slot =
      static_cast<std::size_t>(std::ranges::upper_bound(kIdleSlotEndsMs, idle_ms) - kIdleSlotEndsMs.begin());
  // Where neither age is told the source has no ages.
  const bool known = row.last_data_sent_ms || row.last_data_recv_ms || row.busy_us;
  if (known) ++into.idle[slot];
  if (known && row.keepalive == false) ++into.silent[slot];
  if (row.keepalive) into.keepalive = into.keepalive.value_or(0) + (*row.keepalive ? 1 : 0);
  if (row.nodelay) into.nodelay = into.nodelay.value_or(0) + (*row.nodelay ? 1 : 0);
  const std::uint64_t forward = row.fwd_alloc.value_or(0);
  into.fwd_alloc = add_sat(into.fwd_alloc, forward);
  into.bytes_sent = add_sat(into.bytes_sent, row.bytes_sent.value_or(0));
  into.bytes_received = add_sat(into.bytes_received, row.bytes_received.value_or(0));
  into.busy_us = add_sat(into.busy_us, row.busy_us.value_or(0));
  into.rwnd_limited_us = add_sat(into.rwnd_limited_us, row.rwnd_limited_us.value_or(0));
  into.sndbuf_limited_us = add_sat(into.sndbuf_limited_us, row.sndbuf_limited_us.value_or(0));
  const std::uint64_t kept = add_sat(forward, add_sat(row.rmem_alloc.value_or(0), row.wmem_queued.value_or(0)));
  if (!known || slot < kRestsFromSlot || row.recv_q > 0 || row.send_q > 0 || kept == 0) return;
  into.resting_bytes = add_sat(into.resting_bytes, kept);
  into.resting_rcvbuf = add_sat(into.resting_rcvbuf, row.rcvbuf.value_or(0));
}

void add_counts(const std::array<std::uint32_t, 6>& more, std::array<std::uint32_t, 6>& into) {
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = add_sat(into[i], more[i]);
}

std::optional<std::uint32_t> sum(const std::optional<std::uint32_t>& a, const std::optional<std::uint32_t>& b) {
  return a || b ? std::optional(add_sat(a.value_or(0), b.value_or(0))) : std::nullopt;
}

/// The numbers, not the names.
void add_up(const NetworkTotals& more, NetworkTotals& into) {
  for (std::size_t state = 0; state < kStateCount; ++state)
    into.sockets[state] = add_sat(into.sockets[state], more.sockets[state]);
  for (auto member : {&NetworkTotals::recv_q, &NetworkTotals::send_q, &NetworkTotals::rmem, &NetworkTotals::wmem,
                      &NetworkTotals::fwd_alloc, &NetworkTotals::bytes_sent, &NetworkTotals::bytes_received,
                      &NetworkTotals::busy_us, &NetworkTotals::rwnd_limited_us, &NetworkTotals::sndbuf_limited_us,
                      &NetworkTotals::resting_bytes, &NetworkTotals::resting_rcvbuf})
    into.*member = add_sat(into.*member, more.*member);
  into.looked = add_sat(into.looked, more.looked);
  into.one_in = std::max(into.one_in, more.one_in);
  into.keepalive = sum(into.keepalive, more.keepalive);
  into.nodelay = sum(into.nodelay, more.nodelay);
  add_counts(more.idle, into.idle);
  add_counts(more.silent, into.silent);
}

bool more_sockets(const NetworkTotals& a, const NetworkTotals& b) {
  const std::uint64_t of_a = a.connections(), of_b = b.connections();
  return of_a != of_b ? of_a > of_b : a < b;
}

bool more_memory(const NetworkTotals& a, const NetworkTotals& b) {
  return a.resting_bytes != b.resting_bytes ? a.resting_bytes > b.resting_bytes : more_sockets(a, b);
}

/// Sorts the first `most` of what comes from `from` on, and says where they end.
template <typename Order>
std::size_t sort_first(std::vector<NetworkTotals>& list, std::size_t from, std::size_t most, Order order) {
  const std::size_t end = std::min(list.size(), from + most);
  std::ranges::partial_sort(list.begin() + static_cast<std::ptrdiff_t>(from),
                            list.begin() + static_cast<std::ptrdiff_t>(end), list.end(), order);
  return end;
}

}  // namespace

std::size_t NetworkTally::HashOfKey::operator()(const Key& key) const {
  const auto& [pid, netns, network, accepted, elsewhere] = key;
  std::size_t hash = std::hash<std::uint64_t>()(netns << 20 ^ pid);
  auto mix = [&hash](std::size_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15ull; };
  for (std::uint8_t byte : network.ip) mix(byte);
  mix(network.port);
  mix((accepted ? 1u : 0u) | (elsewhere ? 2u : 0u));
  return hash;
}

NetworkTotals* NetworkTally::find(Pid pid, const SocketRow& row, bool accepted) {
  Endpoint network = network_of(row.remote);
  network.port = accepted ? row.local.port : row.remote.port;
  Key key(pid, row.netns, network, accepted, false);
  auto at = places_.find(key);
  if (at == places_.end() && all_.size() >= kMostNamed) {
    key = Key(pid, row.netns, Endpoint{.ip = {}, .v6 = false, .port = network.port}, accepted, true);
    at = places_.find(key);
  }
  if (at != places_.end()) return &all_[at->second];
  if (all_.size() >= kMost) return nullptr;
  const bool elsewhere = std::get<4>(key);
  NetworkTotals& added = all_.emplace_back();
  added.netns = row.netns;
  added.pid = pid;
  added.accepted = accepted;
  added.port = network.port;
  network.port = 0;
  if (!elsewhere) added.network = network;
  added.elsewhere = elsewhere;
  places_.emplace(key, all_.size() - 1);
  return &added;
}

void NetworkTally::add(const SocketRow& row, bool accepted, std::span<const os::Descriptor> holders) {
  if (row.state == TcpState::listen || row.state == TcpState::close || row.kind != SocketKind::full) return;
  Pid last = 0;
  for (const os::Descriptor& one : holders) {
    if (one.pid == last) continue;
    last = one.pid;
    NetworkTotals* network = find(one.pid, row, accepted);
    if (network == nullptr) {
      ++uncounted_;
      continue;
    }
    ++network->sockets[index_of(row.state)];
    network->recv_q = add_sat(network->recv_q, row.recv_q);
    network->send_q = add_sat(network->send_q, row.send_q);
    network->rmem = add_sat(network->rmem, row.rmem_alloc.value_or(0));
    network->wmem = add_sat(network->wmem, row.wmem_queued.value_or(0));
    if (row.state == TcpState::established) look_at(row, *network);
  }
}

std::vector<NetworkTotals> NetworkTally::take() {
  places_.clear();
  return std::exchange(all_, {});
}

void keep_largest(std::vector<NetworkTotals>& networks) {
  auto first_wide = std::ranges::partition(networks, [](const NetworkTotals& one) { return !one.elsewhere; }).begin();
  std::vector<NetworkTotals> wide(first_wide, networks.end());
  networks.erase(first_wide, networks.end());
  const std::size_t by_sockets = sort_first(networks, 0, kMostSocketNetworks, more_sockets);
  std::size_t kept = sort_first(networks, by_sockets, kMostRestingNetworks, more_memory);
  while (kept > by_sockets && networks[kept - 1].resting_bytes == 0) --kept;

  std::map<std::tuple<Pid, NetnsId, bool, std::uint16_t>, NetworkTotals> elsewhere;
  auto widen = [&elsewhere](const NetworkTotals& one) {
    NetworkTotals& into = elsewhere[{one.pid, one.netns, one.accepted, one.port}];
    into.netns = one.netns;
    into.pid = one.pid;
    into.accepted = one.accepted;
    into.port = one.port;
    into.elsewhere = true;
    add_up(one, into);
  };
  for (const NetworkTotals& one : wide) widen(one);
  for (std::size_t i = kept; i < networks.size(); ++i) widen(networks[i]);
  networks.resize(kept);
  wide.clear();
  for (auto& [key, one] : elsewhere) wide.push_back(std::move(one));
  const std::size_t kept_wide = sort_first(wide, 0, kMostElsewhere, more_sockets);
  networks.insert(networks.end(), wide.begin(), wide.begin() + static_cast<std::ptrdiff_t>(kept_wide));
  std::ranges::sort(networks, more_sockets);
  if (kept_wide == wide.size()) return;
  NetworkTotals& rest = networks.emplace_back();
  rest.elsewhere = true;
  for (std::size_t i = kept_wide; i < wide.size(); ++i) add_up(wide[i], rest);
}

}  // namespace tcpadvisor::collect
