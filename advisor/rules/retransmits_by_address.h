// SPDX-License-Identifier: Apache-2.0
// What is sent again towards an address by connections that have no row, or are none yet: short ones, and handshakes.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "advisor/rules/sent_again.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

inline constexpr Threshold kMinRetransmits = count_threshold("min_retransmits", 10, "segments");  // towards one peer
inline constexpr Threshold kTailShare = ratio_threshold("tail_share", 0.7);  // repaired by a probe or the timer

/// Findings of retrans-cc-qdisc about addresses that are not `told` of: that rule has looked at their connections.
std::vector<Finding> retransmits_by_address(const Evidence& in, const Past& past, const std::vector<SentAgain>& all,
                                            const std::set<std::pair<NetnsId, std::string>>& told);

}  // namespace tcpadvisor
