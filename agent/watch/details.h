// SPDX-License-Identifier: Apache-2.0
// Everything that is known of one thing, as "name value" lines. Pure.
#pragma once

#include <string>
#include <vector>

#include "advisor/evidence/window.h"
#include "agent/watch/line.h"

namespace tcpadvisor::watch {

/// "  name               value"
Line detail(std::string_view name, std::string value);
/// `row` is one of window.latest().
std::vector<Line> socket_details(const SocketRow& row, const Window& window);
/// The connection that a program speaks for, when its socket has no row.
std::vector<Line> connection_details(const UserQueue& queue, const Sample& sample);
/// Everything that the program said about its queue.
std::vector<Line> driver_details(const UserQueue& queue);
std::vector<Line> process_details(const OwnerTotals& owner, const Sample& sample);

}  // namespace tcpadvisor::watch
