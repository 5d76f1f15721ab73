// SPDX-License-Identifier: Apache-2.0
// A network namespace of our own, for traffic that must not touch the host's.
#pragma once

#include "advisor/base/result.h"

namespace tcpadvisor::os {

/// Moves this process, which must have one thread, into a fresh network namespace with its loopback up. Who may not do
/// that gets a user namespace around it, in which it keeps its name and may. Fails with denied when the host allows
/// neither; the process is then where it was.
Status enter_private_netns();

}  // namespace tcpadvisor::os
