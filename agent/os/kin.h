// SPDX-License-Identifier: Apache-2.0
// How the processes that hold one socket are related: who began whom, when, and with which program.
#pragma once

#include <cstdint>
#include <string_view>

namespace tcpadvisor::os {

/// Zero is: not known.
struct Kin {
  std::uint32_t parent = 0;   ///< in our pid namespace
  std::uint64_t started = 0;  ///< ascending with time; the unit is the source's
  std::uint64_t program = 0;  ///< inode of the executable file
  bool manager = false;       ///< as is_manager() says
  auto operator<=>(const Kin&) const = default;
};

/// An init, of the host or of a container: it opens listeners for services and does not serve. `inside` is the number
/// of the process in its own pid namespace.
bool is_manager(std::uint32_t inside, std::string_view comm);

}  // namespace tcpadvisor::os
