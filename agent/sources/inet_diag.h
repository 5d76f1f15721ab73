// SPDX-License-Identifier: Apache-2.0
// Decodes the answers of the kernel's inet_diag (include/uapi/linux/inet_diag.h). Pure: bytes in, a socket out.
#pragma once

#include <cstddef>
#include <span>

#include "advisor/base/result.h"
#include "agent/sources/socket_rules.h"

namespace tcpadvisor::sources {

/// `payload` is what follows the nlmsghdr: struct inet_diag_msg and its attributes. Attributes that are missing, or
/// shorter than this program knows (an older kernel), leave their fields empty; longer ones (a newer kernel) are read
/// as far as known. The row's netns and owner are not set. Fails on a message that contradicts itself.
Result<SocketRow> decode_inet_diag(std::span<const std::byte> payload);

}  // namespace tcpadvisor::sources
