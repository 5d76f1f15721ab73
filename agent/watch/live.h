// SPDX-License-Identifier: Apache-2.0
// `watch`: the live screen, and the same as plain text or JSON for everything that is not a terminal.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "advisor/base/result.h"
#include "agent/observe/observer.h"
#include "agent/os/signals.h"

namespace tcpadvisor::watch {

enum class Output { screen, plain, json };

struct LiveOptions {
  bool once = false;  ///< plain and json: one output, after the two ticks that rates need
  Output output = Output::plain;
  bool colour = false;
  bool utf8 = true;
  std::size_t width = 80;  ///< of plain text
  std::string tool_version;
};

/// Starts the observer and runs until the user, a signal or the observer's schedule ends it. Fails only if no tick at
/// all could be made, or the terminal or stdout cannot be used. `complain` gets one line for each later tick that
/// fails, and for those that were not printed because nobody read stdout in time.
Status run(observe::Observer& observer, const LiveOptions& options, os::StopSignals& signals,
           const std::function<void(const std::string&)>& complain);

}  // namespace tcpadvisor::watch
