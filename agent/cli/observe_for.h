// SPDX-License-Identifier: Apache-2.0
// Observing for a while, with progress on a terminal: what `report` and `verify` begin with.
#pragma once

#include <chrono>
#include <cstddef>

#include "agent/cli/options.h"
#include "agent/collect/collector.h"
#include "agent/observe/observation.h"
#include "agent/os/signals.h"

namespace tcpadvisor::cli {

inline constexpr std::size_t kOlderTicks = 64;  ///< of a report that is longer than the policy's windows

/// The last observation of as many ticks as fit. Null if a signal came before the first.
Result<observe::ObservationPtr> observe_for(collect::Collector& collector, const Options& options,
                                            std::chrono::milliseconds length, os::StopSignals& signals);

}  // namespace tcpadvisor::cli
