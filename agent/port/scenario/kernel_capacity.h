// SPDX-License-Identifier: Apache-2.0
// How many sends the two kernels of a connection hold when nobody reads: found out with a bare socket.
#pragma once

#include <cstddef>
#include <cstdint>

#include "advisor/base/result.h"
#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::scenario {

struct KernelCapacity {
  std::uint64_t sends = 0;     ///< whole sends that were taken before the kernel stayed full
  int sndbuf = 0, rcvbuf = 0;  ///< bytes; what became of the wishes
};

/// Sends until the kernel has stayed full for a second (a delayed ACK may free some of it meanwhile). Blocks that long,
/// or until `stop_fd` (-1: none) becomes readable.
Result<KernelCapacity> probe_capacity(const SocketWishes& near, const SocketWishes& far, bool unix_sockets,
                                      std::size_t send_bytes, int stop_fd = -1);

/// How many equal sends return ok on an idle port whose kernel takes `capacity` whole ones; the next one waits. The
/// first bytes that are queued are never checked against `high`, the later ones after they were added.
std::uint64_t sends_that_return(std::uint64_t capacity, std::uint64_t high, std::uint64_t send_bytes);

}  // namespace tcpadvisor::port::scenario
