// SPDX-License-Identifier: Apache-2.0
// Which namespaces the user wants, out of those that are there.
#pragma once

#include "agent/collect/collector.h"
#include "agent/os/netns.h"

namespace tcpadvisor::collect {

/// Keeps in `list.found` what was chosen. Fails with bad_input if a chosen name or pid does not exist.
Result<os::NetnsList> choose_netns(const os::ProcRoot& root, os::NetnsList list, const NetnsChoice& choice);

}  // namespace tcpadvisor::collect
