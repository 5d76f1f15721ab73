// SPDX-License-Identifier: Apache-2.0
// What findings mean for each other: which one explains another, and which one goes without saying.
#pragma once

#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Sets Finding::cause and lowers or removes what another finding explains. Instances must be set.
void relate(const Window& window, std::vector<Finding>& findings);

}  // namespace tcpadvisor
