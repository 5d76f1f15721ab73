// SPDX-License-Identifier: Apache-2.0
// TCP's memory of the whole host against tcp_mem.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome tcp_mem_pressure_global(const Window& window, const Policy& policy);

}  // namespace tcpadvisor
