// SPDX-License-Identifier: Apache-2.0
// Whether a value is the one that the kernel starts with. Pure.
#pragma once

#include <cstdint>

#include "advisor/evidence/sample.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor {

enum class ByKernel : std::uint8_t { yes, no, cannot_tell };

/// By Knob::kernel_default, and for what the kernel computes at boot by the marks that its arithmetic leaves:
/// tcp_init() and tcp_init_mem() in net/ipv4/tcp.c, tcp_sk_init() in net/ipv4/tcp_ipv4.c.
ByKernel by_kernel(const Knob& knob, const Sysctl& value, const Sysctls& others, const Sample& sample);

/// A new namespace gets the host's value of these, and the kernel's default of all others (tcp_sk_init()).
bool copied_from_host(const Knob& knob);

}  // namespace tcpadvisor
