// SPDX-License-Identifier: Apache-2.0
// What the whole host is busy with beside TCP: the processors' queues of packets, and what tasks wait for.
#pragma once

#include "agent/collect/coverage.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::collect {

/// Fills sample.softnet and sample.host_pressure, and what `own` says about them.
void describe_load(const os::ProcRoot& root, Sample& sample, OwnFacts& own);

}  // namespace tcpadvisor::collect
