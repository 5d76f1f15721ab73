// SPDX-License-Identifier: Apache-2.0
// FIN_WAIT_2: our side has closed (or shut down its sending half), the peer has not.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome fin_wait2_app_held(const Window& window, const Policy& policy);  ///< shutdown() and the descriptor kept
Outcome fin_wait2_orphan_buildup(const Window& window,
                                 const Policy& policy);  ///< closed; the kernel waits for the peer

}  // namespace tcpadvisor
