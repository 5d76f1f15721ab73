// SPDX-License-Identifier: Apache-2.0
// Asks the kernel for all TCP sockets of the calling thread's network namespace (NETLINK_SOCK_DIAG). Works
// unprivileged.
#pragma once

#include <functional>

#include "advisor/base/result.h"
#include "agent/sources/socket_rules.h"

namespace tcpadvisor::sources {

struct DiagDump {
  std::uint64_t sockets = 0;
  std::uint64_t undecodable = 0;  ///< messages that made no sense
  bool interrupted = false;       ///< the kernel says that the table changed so that the dump may be inconsistent
};

inline constexpr std::uint32_t kAllStates = ~0u;

/// Calls `each` for every TCP socket, IPv4 and IPv6, all states. The kernel may report a socket twice when it moves
/// during the dump; the caller keeps cookies if that matters. Bit n of `states` asks for TCP state n.
Result<DiagDump> dump_sockets(const std::function<void(SocketRow&&)>& each, std::uint32_t states = kAllStates);

/// The one socket with these two addresses, listeners never; not_found when there is none.
Result<SocketRow> find_socket(const Endpoint& local, const Endpoint& remote);

}  // namespace tcpadvisor::sources
