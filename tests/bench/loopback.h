// SPDX-License-Identifier: Apache-2.0
// What the load programs share: loopback sockets, and one line and the end on any failure (a benchmark whose load is
// not exactly the asked one measures nothing).
#pragma once

#include <cstdint>
#include <utility>

namespace tcpadvisor::bench {

/// Prints "what: errno text" on stderr and ends the process with exit code 1.
[[noreturn]] void die(const char* what);

/// A listener on 127.0.0.`host`, port chosen by the kernel. Returns the descriptor and the port.
std::pair<int, std::uint16_t> listen_on(std::uint8_t host, int backlog);

/// A new socket connected to 127.0.0.`host`:`port`.
int connect_to(std::uint8_t host, std::uint16_t port);

/// Both ends of one new connection: {the side that connected, the side that accepted}.
std::pair<int, int> connected_pair();

}  // namespace tcpadvisor::bench
