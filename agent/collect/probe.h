// SPDX-License-Identifier: Apache-2.0
// Tries every source that needs no BPF once, at the start.
#pragma once

#include "agent/collect/coverage.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::collect {

std::vector<Attempt> probe_snapshot(const os::ProcRoot& root);  ///< sock_diag, /proc/net/tcp
std::vector<Attempt> probe_owners(const os::ProcRoot& root);    ///< /proc/*/fd
std::vector<Attempt> probe_namespaces();                        ///< setns, own namespace

}  // namespace tcpadvisor::collect
