// SPDX-License-Identifier: Apache-2.0
// How much work a piece of code does, counted and not timed: the compiler calls us at each basic block of what
// is built with -fsanitize-coverage=trace-pc (tests/steps/CMakeLists.txt).
#pragma once

#include <cstdint>

namespace tcpadvisor {

/// Basic blocks passed by this thread so far.
std::uint64_t steps();

}  // namespace tcpadvisor
