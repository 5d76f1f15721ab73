// SPDX-License-Identifier: Apache-2.0
// Numbers that look alarming, are often "tuned", and are normal here: said explicitly, as info.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome do_nothing(const Window& window, const Policy& policy);

}  // namespace tcpadvisor
