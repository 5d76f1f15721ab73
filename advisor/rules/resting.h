// SPDX-License-Identifier: Apache-2.0
// Connections that carry nothing, by the totals of Sample::networks: all that is known of those without a row.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// The first slot of TimeoutTotals::none_idle and NetworkTotals::idle all of which has been idle for so long, or the
/// last.
std::size_t first_idle_slot(double idle_for_s);
/// Where that slot begins, in seconds.
double idle_from_s(std::size_t slot);
std::uint64_t sum_from(const std::array<std::uint32_t, 6>& slots, std::size_t first);

/// Of many connections so many have to be looked at; fewer say little about the others.
inline constexpr std::uint64_t kLookedAtLeast = 16;

/// The networks of each process in one namespace, most sockets first. What did not fit into the list is left out.
std::map<std::pair<Pid, NetnsId>, std::vector<const NetworkTotals*>> networks_by_process(const Sample& sample);

}  // namespace tcpadvisor
