// SPDX-License-Identifier: Apache-2.0
// Whether a value is the one that the kernel starts with. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "advisor/evidence/sample.h"
#include "advisor/knobs/knobs.h"

namespace tcpadvisor {

enum class ByKernel : std::uint8_t { yes, no, cannot_tell };

/// By Knob::kernel_default, and for what the kernel computes at boot by the marks that its arithmetic leaves:
/// tcp_init() and tcp_init_mem() in net/ipv4/tcp.c, tcp_sk_init() in net/ipv4/tcp_ipv4.c.
ByKernel by_kernel(const Knob& knob, const Sysctl& value, const Sysctls& others, const Sample& sample);

/// What this release starts with on a host of this size, at this place of the value (tcp_init(), sk_init() and others);
/// nothing where that is not known. What depends on the memory is rather too low: the kernel counts less of it than we
/// do.
std::optional<std::int64_t> kernel_start(std::string_view knob, std::size_t at, const HostFacts& host);

/// A new namespace gets the host's value of these, and the kernel's default of all others (tcp_sk_init()).
bool copied_from_host(const Knob& knob);

}  // namespace tcpadvisor
