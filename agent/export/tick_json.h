// SPDX-License-Identifier: Apache-2.0
// One tick as the object that `watch --json` prints. Queues and buffers are bytes, times have their unit in the name.
// Pure.
#pragma once

#include <cstddef>
#include <string>

#include "agent/observe/observation.h"

namespace tcpadvisor::exported {

/// One line, without its end. At most `max_connections` connections, those with the longest queues first.
std::string tick_json(const observe::Observation& seen, std::size_t max_connections = 100);

}  // namespace tcpadvisor::exported
