// SPDX-License-Identifier: Apache-2.0
// message-queue-holds-senders: commands wait in front of a short driver queue, and its marks suspend the senders.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome message_queue_holds_senders(const Evidence& evidence);

}  // namespace tcpadvisor
