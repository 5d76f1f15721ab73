// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tcpadvisor::kernel {

/// CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, in the effective set of the calling thread.
bool have_bpf_capabilities();

}  // namespace tcpadvisor::kernel
