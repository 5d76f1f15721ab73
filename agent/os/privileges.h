// SPDX-License-Identifier: Apache-2.0
// What threads may do. Linux keeps all of this per thread; a new thread begins with what its creator has.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::os {

/// The calling thread holds exactly those of `wanted` (CAP_… numbers) that it held before, permitted and effective.
Status keep_only(std::span<const int> wanted);

/// For the calling thread and those that it starts later, for good: no_new_privs, and as far as CAP_SETPCAP allows an
/// empty bounding set, an empty ambient set, and securebits by which uid 0 means nothing. What it holds it keeps.
Status gain_nothing_more();

/// A thread of ours, as the kernel shows it in /proc/self/task.
struct ThreadPrivileges {
  std::string name;
  std::vector<std::string> capabilities;  ///< permitted; "cap_sys_admin"
  bool no_new_privs = false;
  bool bounding_set_empty = false;
  bool filtered = false;  ///< by seccomp
};
/// "Name:", "CapPrm:", "CapBnd:", "NoNewPrivs:" and "Seccomp:" of /proc/PID/task/TID/status.
ThreadPrivileges parse_thread_status(std::string_view status);
/// Of a process ("self", or its number), by thread id; a thread that has just ended is left out.
std::vector<ThreadPrivileges> threads_of(const ProcRoot& root, const std::string& process);

}  // namespace tcpadvisor::os
