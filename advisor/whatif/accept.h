// SPDX-License-Identifier: Apache-2.0
// Load on listeners that has no sysctl: the number in listen(), and a burst. Pure.
#pragma once

#include <cstdint>

#include "advisor/whatif/world.h"

namespace tcpadvisor::whatif {

Answer on_backlog(const World& world, std::uint64_t backlog);
Answer on_burst(const World& world, std::uint64_t burst);

}  // namespace tcpadvisor::whatif
