// SPDX-License-Identifier: Apache-2.0
// The settings that decide about TCP, as the kernel holds them in the calling thread's network namespace.
#pragma once

#include <span>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

struct Knob {
  std::string_view name;  ///< "net.ipv4.tcp_rmem"
  bool host_global;       ///< one value for the whole host; absent or read-only in other namespaces
};
std::span<const Knob> knobs();

/// "4096\t131072\t33554432" -> three values; anything that is not only numbers is kept as words.
Sysctl parse_sysctl(std::string_view text, bool host_global);

/// A knob that this kernel (or namespace) does not have is simply absent. Fails only when none could be read.
Result<Sysctls> read_sysctls(const os::ProcRoot& root);

}  // namespace tcpadvisor::sources
