// SPDX-License-Identifier: Apache-2.0
// `watch --from`: a recording on the screen, or all of it as text or JSON.
#pragma once

#include <cstddef>
#include <string>

#include "agent/observe/travel.h"
#include "agent/watch/live.h"
#include "agent/watch/screen.h"

namespace tcpadvisor::watch {

struct TravelOptions {
  std::size_t start = 0;  ///< the tick to begin with
  bool playing = true;
};

/// What the traveller is about to do. Pure.
enum class Journey : std::uint8_t { stand, play, seek_next, seek_back };
struct Steering {
  Journey journey = Journey::play;
  std::ptrdiff_t steps = 0;  ///< ticks to go at once, and then as before
};
/// False: the key is the screen's.
bool steer(KeyPress key, Steering& steering);

/// The line below the screen.
Line travel_line(const observe::Travel& travel, const Steering& steering, const View& view);

Status run_travel(observe::Travel& travel, const LiveOptions& options, const TravelOptions& travel_options,
                  os::StopSignals& signals);

}  // namespace tcpadvisor::watch
