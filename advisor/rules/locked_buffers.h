// SPDX-License-Identifier: Apache-2.0
// SO_RCVBUF and SO_SNDBUF turn autotuning off. That matters only where the fixed size limits the flow.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome rcvbuf_locked_by_app(const Window& window, const Policy& policy);
Outcome sndbuf_locked_by_app(const Window& window, const Policy& policy);

}  // namespace tcpadvisor
