// SPDX-License-Identifier: Apache-2.0
// pending-shutdown-data: an application has shut down while data sits in its own queue, or threw that data away.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome pending_shutdown_data(const Evidence& evidence);

}  // namespace tcpadvisor
