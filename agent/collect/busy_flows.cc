// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/busy_flows.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "advisor/base/saturate.h"
#include "agent/kernel/matters.h"

namespace tcpadvisor::collect {
namespace {

std::uint64_t carried(const SocketRow& row) {
  return add_sat(row.bytes_acked.value_or(0), row.bytes_received.value_or(0));
}

}  // namespace

const kernel::Look& BusyFlows::next(std::uint64_t sockets) {
  constexpr std::uint64_t kMostParts = 1u << 12;
  std::uint64_t parts = std::bit_ceil(std::clamp<std::uint64_t>(sockets / kLookedAt, 1, kMostParts));
  look_ = {.mask = static_cast<std::uint32_t>(parts - 1),
           .turn = static_cast<std::uint32_t>(walks_ & (parts - 1)),
           .max_rows = kFollowed + kNew};
  for (const auto& [cookie, flow] : flows_) look_.follow(flow.spot);
  ++walks_;
  new_ = 0;
  return look_;
}

void BusyFlows::saw(const SocketRow& row, kernel::Spot spot) {
  auto at = flows_.find(row.cookie);
  if (at == flows_.end()) {
    if (row.cookie == 0 || new_ >= kNew) return;
    ++new_;
    flows_[row.cookie] = {.spot = spot, .bytes = carried(row), .moved = std::nullopt, .seen = true};
    return;
  }
  Flow& flow = at->second;
  std::uint64_t now = carried(row);
  flow.moved = now - std::min(now, flow.bytes);
  flow.bytes = now;
  flow.seen = true;
}

void BusyFlows::end_walk() {
  std::erase_if(flows_, [](const auto& entry) { return !entry.second.seen; });
  std::vector<std::uint64_t> moved;
  for (auto& [cookie, flow] : flows_) {
    flow.seen = false;
    if (flow.moved) moved.push_back(*flow.moved);
  }
  if (moved.size() <= kFollowed) return;
  auto weakest = moved.begin() + kFollowed;
  std::ranges::nth_element(moved, weakest, std::greater<>());
  std::size_t room = kFollowed;
  std::erase_if(flows_, [&](const auto& entry) {
    const std::optional<std::uint64_t>& by = entry.second.moved;
    if (!by) return false;
    if (*by < *weakest || room == 0) return true;
    --room;
    return false;
  });
}

std::optional<kernel::Spot> looked_at(const SocketRow& row, const kernel::Look& look) {
  if (row.kind != SocketKind::full || row.state == TcpState::listen || row.cookie == 0) return std::nullopt;
  constexpr int kSpotBits = 16;
  auto spot = static_cast<kernel::Spot>(row.cookie * 0x9e3779b97f4a7c15ull >> (64 - kSpotBits));
  if (!look.includes(spot) || !kernel::recently_used(row)) return std::nullopt;
  return spot;
}

}  // namespace tcpadvisor::collect
