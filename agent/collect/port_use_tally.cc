// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/port_use_tally.h"

#include <algorithm>

namespace tcpadvisor::collect {

void PortUseTally::add(const SocketRow& row) {
  bool has_connection = row.kind != SocketKind::request && row.state != TcpState::listen &&
                        row.state != TcpState::close && row.state != TcpState::new_syn_recv;
  if (!has_connection || row.local.port < ports_.low || row.local.port > ports_.high) return;
  Endpoint source = row.local;
  source.port = 0;
  auto key = std::pair(source, row.remote);
  auto at = towards_.find(key);
  if (at == towards_.end()) {
    if (towards_.size() >= kMaxDestinations) {
      ++uncounted_;
      return;
    }
    at = towards_.emplace(key, Ports{}).first;
  }
  ++at->second.used;
  if (row.state == TcpState::time_wait) ++at->second.timewait;
}

std::vector<PortUse> PortUseTally::most() const {
  std::vector<PortUse> all;
  all.reserve(towards_.size());
  for (const auto& [ends, ports] : towards_) all.push_back({0, ends.first, ends.second, ports.used, ports.timewait});
  std::size_t most = std::min(all.size(), kernel::kMaxPortUse);
  auto more = [](const PortUse& a, const PortUse& b) { return a.used != b.used ? a.used > b.used : a < b; };
  std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(most), more);
  all.resize(most);
  return all;
}

void keep_fullest(std::vector<PortUse>& uses, const std::map<NetnsId, kernel::PortRange>& range_of, std::size_t most) {
  auto size_of = [&](const PortUse& use) -> std::uint64_t {
    auto at = range_of.find(use.netns);
    kernel::PortRange range = at == range_of.end() ? kernel::PortRange{} : at->second;
    return range.high >= range.low ? std::uint64_t{range.high} - range.low + 1 : 1;
  };
  std::ranges::sort(uses, [&](const PortUse& a, const PortUse& b) {
    std::uint64_t of_a = a.used * size_of(b), of_b = b.used * size_of(a);  // both far below 2^64
    return of_a != of_b ? of_a > of_b : a.used != b.used ? a.used > b.used : a < b;
  });
  if (uses.size() > most) uses.resize(most);
}

}  // namespace tcpadvisor::collect
