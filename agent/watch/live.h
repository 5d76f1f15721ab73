// SPDX-License-Identifier: Apache-2.0
// `watch`: the live screen, and the same as plain text or JSON for everything that is not a terminal.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "advisor/base/result.h"
#include "advisor/rules/policy.h"
#include "agent/os/signals.h"
#include "agent/watch/ticker.h"
#include "agent/watch/view.h"

namespace tcpadvisor::watch {

enum class Output { screen, plain, json };

struct LiveOptions {
  std::chrono::milliseconds interval{1'000};
  std::optional<std::chrono::milliseconds> length;  ///< ends by itself
  bool once = false;                                ///< plain and json: one output, after the two ticks that rates need
  Output output = Output::plain;
  bool colour = false;
  bool utf8 = true;
  std::size_t width = 80;  ///< of plain text
  Policy policy;
  std::string tool_version;
};

/// Runs until the user, a signal or `length` ends it. Fails only if no tick at all could be made, or the terminal
/// cannot be used. `complain` gets one line for each later tick that fails.
Status run(Tick tick, const LiveOptions& options, os::StopSignals& signals,
           const std::function<void(const std::string&)>& complain);

/// Ticks that the rules need: all windows of the policy and one sample more at each end.
std::size_t samples_to_keep(const Policy& policy, std::chrono::milliseconds interval);

}  // namespace tcpadvisor::watch
