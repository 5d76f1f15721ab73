// SPDX-License-Identifier: Apache-2.0
// Which processes we can see at all.
#pragma once

#include "agent/os/proc_root.h"

namespace tcpadvisor::os {

/// Whether our pid namespace is the host's first: from any other one some processes are out of sight. A fixture's is.
bool in_first_pid_namespace(const ProcRoot& root);

}  // namespace tcpadvisor::os
