// SPDX-License-Identifier: Apache-2.0
#include "agent/os/kin.h"

#include "advisor/base/managers.h"

namespace tcpadvisor::os {

bool is_manager(std::uint32_t inside, std::string_view comm) {
  return inside == 1 || is_manager_name(comm);
}

}  // namespace tcpadvisor::os
