// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/busy_flows.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>
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
  // The kernel shows sockets in the same order every time: more new ones in use than there is room for would hide the
  // others for ever. Then the part becomes smaller, until they fit.
  constexpr std::uint64_t kMostParts = 1u << 14;
  const std::uint64_t parts_before = parts_;
  if (new_ >= kNew) parts_ = std::min(parts_ * 2, kMostParts);
  if (new_ < kNew / 4) parts_ /= 2;
  parts_ = std::max(parts_, std::bit_ceil(std::clamp<std::uint64_t>(sockets / kLookedAt, 1, kMostParts)));
  if (parts_ != parts_before) walks_with_room_ = 0;
  look_ = {.mask = static_cast<std::uint32_t>(parts_ - 1),
           .turn = static_cast<std::uint32_t>(walks_ & (parts_ - 1)),
           .max_rows = kFollowed + 2 * kNew};
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

void BusyFlows::end_walk(bool whole) {
  std::erase_if(flows_, [](const auto& entry) { return !entry.second.seen; });
  std::vector<std::pair<std::uint64_t, std::uint64_t>> measured;  // bytes, cookie
  for (auto& [cookie, flow] : flows_) {
    flow.seen = false;
    if (flow.moved) measured.emplace_back(*flow.moved, cookie);
  }
  walks_with_room_ = whole && new_ < kNew && measured.size() <= kFollowed ? walks_with_room_ + 1 : 0;
  if (measured.size() <= kFollowed) return;
  auto end_of_kept = measured.begin() + kFollowed;
  std::ranges::nth_element(measured, end_of_kept, std::greater<>());
  for (auto at = end_of_kept; at != measured.end(); ++at) flows_.erase(at->second);
}

std::optional<kernel::Spot> looked_at(const SocketRow& row, const kernel::Look& look) {
  if (row.kind != SocketKind::full || row.state == TcpState::listen || row.cookie == 0) return std::nullopt;
  constexpr int kSpotBits = 16;
  auto spot = static_cast<kernel::Spot>(row.cookie * 0x9e3779b97f4a7c15ull >> (64 - kSpotBits));
  if (!look.includes(spot) || !kernel::recently_used(row)) return std::nullopt;
  return spot;
}

}  // namespace tcpadvisor::collect
