// SPDX-License-Identifier: Apache-2.0
// What /proc/<pid> tells about a process' relations; the walk over descriptors in the kernel tells the same.
#pragma once

#include <optional>
#include <string_view>

#include "advisor/evidence/sample.h"
#include "agent/os/kin.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// Parent and start of /proc/<pid>/stat. The name in it may hold anything, parentheses and newlines too.
std::optional<os::Kin> parse_kin(std::string_view stat);

/// The number of a process in its own pid namespace, from the line NSpid of /proc/<pid>/status; 0 if that is ours.
Pid parse_pid_inside(std::string_view status);

/// What cannot be read stays zero.
os::Kin read_kin(const os::ProcRoot& root, Pid pid);

}  // namespace tcpadvisor::sources
