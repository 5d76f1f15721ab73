// SPDX-License-Identifier: Apache-2.0
#include "agent/os/kin.h"

#include <algorithm>
#include <array>

namespace tcpadvisor::os {

bool is_manager(std::uint32_t inside, std::string_view comm) {
  static constexpr std::array<std::string_view, 6> kNames = {"systemd",   "init", "runit",
                                                             "s6-svscan", "tini", "dumb-init"};
  return inside == 1 || std::ranges::find(kNames, comm) != kNames.end();
}

}  // namespace tcpadvisor::os
