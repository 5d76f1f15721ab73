// SPDX-License-Identifier: Apache-2.0
// user-queue-unbounded: a program's own queue grows past the mark at which its senders should wait.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome user_queue_unbounded(const Evidence& evidence);

}  // namespace tcpadvisor
