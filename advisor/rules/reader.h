// SPDX-License-Identifier: Apache-2.0
// The receiving application does not read as fast as data arrives: the window goes to zero.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome reader_too_slow(const Window& window, const Policy& policy);

}  // namespace tcpadvisor
