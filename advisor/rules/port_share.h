// SPDX-License-Identifier: Apache-2.0
// Destinations towards which the local ports run out: asked by the rule about them, and by those that must not
// contradict it.
#pragma once

#include <vector>

#include "advisor/knobs/port_space.h"
#include "advisor/rules/policy.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

inline constexpr Threshold kPortShare =
    ratio_threshold("port_share", 0.8).clears_at(0.9);  // of the ports that are available

/// What is in use towards one destination, of the ports there are.
struct PortShare {
  const PortUse* use = nullptr;
  PortSpace space;
  double in_use = 0;  ///< share of the available ones
  double share = 0;   ///< the same, without those in TIME_WAIT that connect() takes again
};

/// Of the namespaces whose range is known, fullest first. Refers to the sample.
std::vector<PortShare> port_shares(const Sample& sample);
/// The largest share of this namespace, 0 if nothing is known.
double fullest_share(const std::vector<PortShare>& shares, NetnsId netns);

}  // namespace tcpadvisor
