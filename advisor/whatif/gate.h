// SPDX-License-Identifier: Apache-2.0
// The memory gate's conditions, each with its numbers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "advisor/whatif/world.h"

namespace tcpadvisor::whatif {

/// M1 to M5 for one namespace with all that is asked. `busy`: connections with full buffers; nothing: as many as were
/// seen, and a handful at least. `idle`: sockets in all; nothing: those that there are.
std::vector<Check> memory_checks(const World& world, NetnsId netns, std::optional<std::uint64_t> busy = std::nullopt,
                                 std::optional<std::uint64_t> idle = std::nullopt);

/// Both maxima of a connection together, in bytes, with all that is asked; 0 if they are not known.
std::uint64_t both_maxima(const World& world, NetnsId netns);
/// tcp_mem[at] in bytes, with all that is asked; 0 if not known.
std::uint64_t tcp_mem_bytes(const World& world, std::size_t at);
/// Sockets that have structures of their own: all but those in TIME_WAIT and half-open ones.
std::uint64_t all_sockets(const Sample& sample);

}  // namespace tcpadvisor::whatif
