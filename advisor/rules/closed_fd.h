// SPDX-License-Identifier: Apache-2.0
// Descriptors of sockets that are dead: CLOSE_WAIT may vanish (keepalive, a reset) while the leak stays.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome closed_socket_fd_leak(const Window& window, const Policy& policy);

}  // namespace tcpadvisor
