// SPDX-License-Identifier: Apache-2.0
// What the kernel does when a receive buffer is full: asked by the rule about it, and by the one that says when it is
// normal.
#pragma once

#include <algorithm>
#include <optional>

#include "advisor/evidence/window.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

/// Segments copied together in a second, from which on that work is felt.
inline constexpr Threshold kManyCollapses = Threshold{"many_collapses", 1'000, "per_s", 1, 1e9}.clears_at(0.1);

struct Prunes {
  double called = 0;     ///< attempts to make room
  double collapsed = 0;  ///< segments that were copied into others for it
  double collapsed_per_s = 0;
  double pruned = 0;   ///< times that no room could be made
  double refused = 0;  ///< segments in order that were dropped for it: mostly the same ones
  double dropped() const { return std::max(pruned, refused); }
};
/// Nothing if the counters of this namespace were not read twice.
std::optional<Prunes> prunes_of(const Past& past, NetnsId netns);

}  // namespace tcpadvisor
