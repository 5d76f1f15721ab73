// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "agent/watch/line.h"

namespace tcpadvisor::watch {

/// The line as text, with ANSI colours if asked for.
std::string ansi_text(const Line& line, bool colour);

}  // namespace tcpadvisor::watch
