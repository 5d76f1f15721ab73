// SPDX-License-Identifier: Apache-2.0
// A TUN device: packets of a namespace that a process reads and writes.
#pragma once

namespace tcpfault {

inline constexpr const char* kSmallNet = "255.255.255.252";  // two hosts: we and the far end

/// Makes `device` with `address` in the namespace, which this process joins. Throws Skip if there is no /dev/net/tun.
/// The descriptor does not block.
int open_tun(int netns_fd, const char* device, const char* address, int mtu_bytes = 1500);

}  // namespace tcpfault
