// SPDX-License-Identifier: Apache-2.0
// Writing to a descriptor whose reader may take its time.
#pragma once

#include <string_view>

#include "agent/os/signals.h"

namespace tcpadvisor::os {

/// Writes everything and returns 0, or the errno of the write that failed. A pipe or a terminal that nobody reads keeps
/// it waiting, but not beyond a signal: then it returns 0 with the rest unwritten, and signals->received() says why.
int write_all(int fd, std::string_view text, StopSignals* signals = nullptr);

}  // namespace tcpadvisor::os
