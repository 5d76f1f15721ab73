// SPDX-License-Identifier: Apache-2.0
#include "agent/os/pid_namespace.h"

#include <cstdint>

namespace tcpadvisor::os {
namespace {

constexpr std::uint64_t kInitPidNamespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO, include/linux/proc_ns.h

}  // namespace

bool in_first_pid_namespace(const ProcRoot& root) {
  if (!root.is_real()) return true;
  auto ours = root.inode("/proc/self/ns/pid");
  return ours && *ours == kInitPidNamespace;
}

}  // namespace tcpadvisor::os
