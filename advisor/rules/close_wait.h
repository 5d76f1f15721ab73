// SPDX-License-Identifier: Apache-2.0
// CLOSE_WAIT: the peer has closed, our side has not.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome close_wait_leak(const Window& window, const Policy& policy);        ///< a process holds and never closes them
Outcome close_wait_unaccepted(const Window& window, const Policy& policy);  ///< no process has even accepted them

}  // namespace tcpadvisor
