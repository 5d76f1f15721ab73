// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tcpadvisor::kernel {

class Tracer;

/// CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, in the effective set of the calling thread.
bool have_bpf_capabilities();

/// Whether a thread without any capability can still read maps and run the walks of what is loaded. Kernels before 5.19
/// let nobody without CAP_BPF, not even through a descriptor held since before.
bool readable_without_capabilities(Tracer& tracer);

}  // namespace tcpadvisor::kernel
