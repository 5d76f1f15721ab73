// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/port_share.h"

#include <algorithm>
#include <map>

namespace tcpadvisor {

std::vector<PortShare> port_shares(const Sample& sample) {
  std::map<NetnsId, std::optional<PortSpace>> spaces;
  std::vector<PortShare> out;
  for (const PortUse& use : sample.port_use) {
    auto [at, fresh] = spaces.try_emplace(use.netns);
    if (fresh) at->second = port_space(sample, use.netns);
    if (!at->second) continue;
    double available = static_cast<double>(std::max<std::uint64_t>(at->second->available(), 1));
    double in_use = static_cast<double>(use.used) / available;
    out.push_back({&use, *at->second, in_use, share_of(sample, use, *at->second)});
  }
  std::ranges::stable_sort(out, std::greater(), &PortShare::share);
  return out;
}

double fullest_share(const std::vector<PortShare>& shares, NetnsId netns) {
  auto at = std::ranges::find_if(shares, [&](const PortShare& one) { return one.use->netns == netns; });
  return at == shares.end() ? 0 : at->share;
}

}  // namespace tcpadvisor
