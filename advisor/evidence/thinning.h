// SPDX-License-Identifier: Apache-2.0
// Which ticks a window gives up, so that it stays small however long it observes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "advisor/evidence/window.h"

namespace tcpadvisor {

using Ticks = std::vector<std::shared_ptr<const PastTick>>;

/// After a tick has been added: ticks of the time that the policy looks at are at least `recent / recent_ticks` apart,
/// but for the last two, between which rates are taken.
void thin_recent(Ticks& ticks, const Keep& keep);

/// Ticks that are older than the two which the recent time begins with: none, or at most `keep.older_ticks`, at least
/// `apart_ms` from each other. The distance doubles when there are too many. The first tick stays, so the counters'
/// increase over the whole observation is exact.
void thin_older(Ticks& ticks, const Keep& keep, std::uint64_t& apart_ms);

}  // namespace tcpadvisor
