// SPDX-License-Identifier: Apache-2.0
// How the processes that hold one socket are related: who began whom, when, and with which program.
#pragma once

#include <cstdint>

namespace tcpadvisor::os {

/// Zero is: not known.
struct Kin {
  std::uint32_t parent = 0;   ///< in our pid namespace
  std::uint64_t started = 0;  ///< ascending with time; the unit is the source's
  std::uint64_t program = 0;  ///< inode of the executable file
  bool manager = false;       ///< is_manager() of its number in its own pid namespace
  auto operator<=>(const Kin&) const = default;
};

}  // namespace tcpadvisor::os
