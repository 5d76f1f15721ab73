// SPDX-License-Identifier: Apache-2.0
// Which sockets matter, for rows that the kernel's walk did not choose.
#pragma once

#include "advisor/evidence/sample.h"
#include "agent/kernel/tracer.h"

namespace tcpadvisor::kernel {

/// The rule of the kernel's walk (bpf/matters.h). Mini-sockets do not matter; what a row does not know does not count.
bool matters(const SocketRow& row, const RowFilter& filter);
/// Carried data within the last two seconds, either way.
bool recently_used(const SocketRow& row);

}  // namespace tcpadvisor::kernel
