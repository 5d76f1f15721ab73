// SPDX-License-Identifier: Apache-2.0
// One tick as the object that `watch --json` prints. Queues and buffers are bytes, times have their unit in the name.
// Pure.
#pragma once

#include <nlohmann/json.hpp>

#include "agent/watch/view.h"

namespace tcpadvisor::watch {

/// At most `max_connections` connections, those with the longest queues first.
nlohmann::json tick_json(const Picture& picture, std::size_t max_connections = 100);

/// Text from outside may hold any bytes; a line of JSON never fails because of them.
std::string one_line(const nlohmann::json& object);

}  // namespace tcpadvisor::watch
