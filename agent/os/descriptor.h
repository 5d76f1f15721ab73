// SPDX-License-Identifier: Apache-2.0
// One descriptor of a process that leads to a socket, however it was found.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

namespace tcpadvisor::os {

struct Descriptor {
  std::uint64_t socket = 0;  ///< its cookie or its inode, as the list says
  std::uint32_t pid = 0;     ///< in our pid namespace
  int fd = -1;
  auto operator<=>(const Descriptor&) const = default;
};

/// Those of one socket, by process. `sorted` is.
inline std::span<const Descriptor> descriptors_of(std::span<const Descriptor> sorted, std::uint64_t socket) {
  auto range = std::ranges::equal_range(sorted, socket, {}, &Descriptor::socket);
  return {range.begin(), range.end()};
}

}  // namespace tcpadvisor::os
