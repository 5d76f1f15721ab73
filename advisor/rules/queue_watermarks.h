// SPDX-License-Identifier: Apache-2.0
// user-queue-watermark: the marks of a program's own queue make senders wait: rightly, too early, or too late.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome user_queue_watermark(const Evidence& evidence);

}  // namespace tcpadvisor
