// SPDX-License-Identifier: Apache-2.0
// Looking at this host for a while, or at a part of a recording, before something is said about it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "advisor/evidence/window.h"
#include "agent/cli/moment.h"
#include "agent/cli/options.h"
#include "agent/observe/observer.h"
#include "agent/os/signals.h"

namespace tcpadvisor::cli {

inline constexpr std::size_t kOlderTicks = 64;  ///< kept of a time that is longer than the policy's windows

/// The last observation of as many ticks as `length` has, with progress on a terminal. Null if a signal came before the
/// first.
Result<observe::ObservationPtr> observe_for(collect::Collector& collector, const Options& options,
                                            std::chrono::milliseconds length, os::StopSignals& signals);

/// One tick without hooks, for what shows only the moment; nothing is said on stderr.
Result<Window> look_once(const Options& options);

/// A part of a recording: `length` before that moment, all of it without either, 30 s with a moment alone.
struct PastWanted {
  std::string from, output;
  std::optional<MomentOf> at;
  std::optional<std::chrono::milliseconds> length;
};
struct PastSeen {
  observe::ObservationPtr observation;
  std::string origin;  ///< for people
};
Result<PastSeen> observe_recorded(const PastWanted& wanted, const Policy& policy);

}  // namespace tcpadvisor::cli
