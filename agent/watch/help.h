// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agent/watch/line.h"

namespace tcpadvisor::watch {

/// The help page: keys, and how to read the screen. Fits into 80x24.
std::vector<Line> help_lines();

}  // namespace tcpadvisor::watch
