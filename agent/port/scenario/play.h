// SPDX-License-Identifier: Apache-2.0
// One scenario from its first line to its last.
#pragma once

#include <chrono>

#include "advisor/base/result.h"
#include "agent/os/signals.h"
#include "agent/port/scenario/scenario.h"
#include "agent/port/scenario/stage.h"

namespace tcpadvisor::port::scenario {

struct PlayOptions {
  enum class Transport : std::uint8_t { tcp, unix_sockets, fake } transport = Transport::tcp;  ///< others: s2 only
  std::chrono::milliseconds hold{20'000};  ///< from the first call to the end
  bool private_netns = true;
};

/// Tells what the kernel should show, then plays. The process should have one thread; in a private namespace it stays
/// there afterwards. Ends early with a signal.
Status play(const Scenario& scenario, const PlayOptions& options, os::StopSignals& signals, const Tell& tell);

}  // namespace tcpadvisor::port::scenario
