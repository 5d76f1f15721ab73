// SPDX-License-Identifier: Apache-2.0
// The files that set sysctls at boot or later: sysctl.d, sysctl.conf, tuned's profiles, the kernel's command line.
#pragma once

#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// Some dozen small files; not for every tick. What cannot be read is counted, what is not there is no error.
///
/// `first_pid_namespace`: we see the host's pid 1. Then its files are meant, also where we are in a container that has
/// the host's pids. Otherwise the files are those of a container, and set something only if it has an init of its own.
SettingFiles read_setting_files(const os::ProcRoot& root, bool first_pid_namespace);

}  // namespace tcpadvisor::sources
