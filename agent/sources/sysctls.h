// SPDX-License-Identifier: Apache-2.0
// The settings that decide about TCP, as the kernel holds them in the calling thread's network namespace.
#pragma once

#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// "4096\t131072\t33554432" -> three values; anything that is not only numbers is kept as words.
Sysctl parse_sysctl(std::string_view text, bool host_global);

/// All of knobs() (advisor/knobs); one that this kernel (or namespace) does not have is simply absent. Fails only when
/// none could be read.
Result<Sysctls> read_sysctls(const os::ProcRoot& root);

}  // namespace tcpadvisor::sources
