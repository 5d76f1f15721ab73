// SPDX-License-Identifier: Apache-2.0
// Advice that is copied from page to page, answered with this host's state where what was seen invites it.
#pragma once

#include <vector>

#include "advisor/evidence/sample.h"
#include "advisor/verdict/verdict.h"

namespace tcpadvisor {

std::vector<NotRecommended> folk_advice(const Sample& latest);

}  // namespace tcpadvisor
