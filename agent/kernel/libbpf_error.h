// SPDX-License-Identifier: Apache-2.0
// What libbpf says when it refuses something, as our Error.
#pragma once

#include <string>
#include <string_view>

#include "advisor/base/result.h"

namespace tcpadvisor::kernel {

/// Forgets what libbpf has said so far on this thread, and listens from now on. Call it before each use of libbpf.
void listen_to_libbpf();

/// `error` is an errno, positive; `doing` is what was tried, "" for nothing. The message holds the kernel's word and
/// libbpf's first warning since listen_to_libbpf().
Error libbpf_error(std::string_view doing, int error);

}  // namespace tcpadvisor::kernel
