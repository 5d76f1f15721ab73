// SPDX-License-Identifier: Apache-2.0
// Two ways to take writing away from a thread and from all that it starts later, for good. Reading stays, and so does
// what is already open. Both need no_new_privs (gain_nothing_more) or CAP_SYS_ADMIN.
#pragma once

#include <span>
#include <string>

#include "advisor/base/result.h"

namespace tcpadvisor::os {

/// Landlock: nothing in the file system can be made, changed or removed but in and below `writable` (directories, or
/// single files; what does not exist is passed over): EACCES. unsupported before Linux 5.13 or where it is off.
///
/// It also hides /proc/PID/{fd,ns,exe} of every process outside the sandbox (security/landlock/task.c asks the same
/// question as for ptrace), so it is not for the thread that looks at other processes: that one gets forbid_changes().
Status allow_writes_only_below(std::span<const std::string> writable);

/// seccomp: the calls that make, change or remove files, mount, execute, trace, load into the kernel, or lead around
/// this filter fail with EACCES. Entering network namespaces and reading BPF maps and iterators stay possible.
Status forbid_changes();

}  // namespace tcpadvisor::os
