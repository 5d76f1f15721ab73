// SPDX-License-Identifier: Apache-2.0
// How much work a piece of code does, counted and not timed: the compiler calls us at each basic block of the rooms
// that are built with -fsanitize-coverage=trace-pc (the sanitizer builds; tests/steps/CMakeLists.txt).
#pragma once

#include <cstdint>

namespace tcpadvisor {

/// Basic blocks passed by this thread so far.
std::uint64_t steps();

}  // namespace tcpadvisor
