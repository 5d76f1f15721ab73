// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a load are at its end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "agent/port/port.h"
#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {

/// Recv-Q of the socket with these addresses, its own first, as ss shows them; nothing when there is no such socket.
using FarQueue = std::function<std::optional<std::uint64_t>(const std::string& local, const std::string& remote)>;

/// Bytes, headers of `packet` included.
struct Balance {
  std::uint64_t accepted = 0;  ///< from callers; the sum of all below, but for what is on its way
  std::uint64_t message_queue = 0, driver_queue = 0;
  std::uint64_t dropped = 0;    ///< thrown away by ports that were closed
  std::uint64_t send_q = 0;     ///< of connections that are gone: when they went
  std::uint64_t recv_q = 0;     ///< in the peer's kernel
  std::uint64_t delivered = 0;  ///< read by the peer
  std::uint64_t unknown = 0;    ///< taken by the peer's kernel; that socket is gone or cannot be looked at

  std::uint64_t placed() const {
    return message_queue + driver_queue + dropped + send_q + recv_q + delivered + unknown;
  }
  void add(const Balance& more);
};

/// `far` may be empty.
Balance balance_of(const Port& port, const SocketTransport& socket, const FarQueue& far);

}  // namespace tcpadvisor::port::load
