// SPDX-License-Identifier: Apache-2.0
// What findings mean for each other: which one explains another, which one goes without saying, which one changes a
// knob.
#pragma once

#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Sets Finding::cause and lowers or removes what another finding explains. Instances must be set.
void relate(const Window& window, std::vector<Finding>& findings);

/// At most one recommendation per knob and scope: the largest target stays, the other findings point to it.
void merge_knobs(std::vector<Finding>& findings);

}  // namespace tcpadvisor
