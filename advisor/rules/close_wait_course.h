// SPDX-License-Identifier: Apache-2.0
// What the number of a process' CLOSE_WAIT sockets did over the window: the same count is a leak in one process and an
// idle pool in another, and a leak that a garbage collector sweeps away is small now and then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "advisor/evidence/window.h"
#include "advisor/rules/holding.h"

namespace tcpadvisor {

/// Closes that came in bulk while the count else grew.
struct Sweeps {
  std::size_t count = 0;
  double peak = 0, low = 0;    ///< sockets
  double left_per_minute = 0;  ///< sockets that came into CLOSE_WAIT, about
  std::uint64_t most_old = 0;  ///< at one time
};
/// Of the last `look_s`. Nothing if it was not swept, or never `threshold` of them were old.
std::optional<Sweeps> sweeps_of(const Window& window, const OwnerTotals& owner, double look_s, std::uint64_t threshold);

/// A number that does not grow.
struct Steady {
  double count = 0;            ///< at the first look and, but for a few in use, at each later one
  std::uint64_t suspects = 0;  ///< that no pool keeps: see steady_of()
  bool turns_over = false;     ///< some were closed and others took their place: a pool in use
  bool works_on = false;       ///< the process did something else meanwhile, so the count had its chance to grow
  bool busy() const { return turns_over || works_on; }
};
/// Nothing if the count rose above what it was at first, fell, or was not seen often enough.
/// Suspect is what a pool of idle connections does not have: one that was accepted and not opened by this process,
/// data that was not read or not sent, or a peer that has only shut down and waits.
std::optional<Steady> steady_of(const Window& window, const Holding& holding);

/// The number stands, and all that were there at the first look have been closed meanwhile, although they were left
/// open for longer than Policy::age.
bool closes_late(const Window& window, const Policy& policy, const Holding& holding);

}  // namespace tcpadvisor
