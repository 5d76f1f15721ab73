// SPDX-License-Identifier: Apache-2.0
// The part of the screen above the list: the host, ourselves, memory and states. Pure.
#pragma once

#include <optional>
#include <vector>

#include "agent/watch/line.h"
#include "agent/watch/view.h"

namespace tcpadvisor::watch {

/// Change per second from `before` to `now`; nothing if no time has passed.
std::optional<double> per_second(const PastTick& before, const PastTick& now, std::uint64_t old_value,
                                 std::uint64_t new_value);

std::vector<Line> header_lines(const Picture& picture, const View& view);

}  // namespace tcpadvisor::watch
