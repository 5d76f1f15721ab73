// SPDX-License-Identifier: Apache-2.0
// One recommendation per setting and namespace. Findings that would set the same one become one value, and refer to it;
// where one would lower what another would raise, the lower value stands, because memory comes before speed. Maxima of
// both directions that are raised together have to fit into memory together.
#pragma once

#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Instances must be set, and causes.
void one_per_knob(const Evidence& in, std::vector<Finding>& findings);

}  // namespace tcpadvisor
