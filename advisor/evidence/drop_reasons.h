// SPDX-License-Identifier: Apache-2.0
// What the kernel's reasons for dropping a packet mean (include/net/dropreason-core.h), by name and without their
// prefix: their numbers differ from kernel to kernel.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// Whether somebody misses the packet: not a copy, not what was received before or was answered.
bool is_loss(std::string_view reason);
/// The same of what was counted. Where the kernel gives no reason (before 6.2 in many places), what sockets and TCP
/// free may be what lay in the queues of a closed connection: that is not called a loss.
bool is_loss(const Drops& drops);

/// What dropped it, in the order in which a packet that is sent, and then one that arrives, comes by.
enum class DropPlace : std::uint8_t {
  unknown,
  filter,     ///< a rule or a program of this host that says so
  route,      ///< no way to the address, or none back
  qdisc,      ///< the queue in front of a device
  device,     ///< a device or its driver
  cpu_queue,  ///< the queue of packets of a processor
  ip,         ///< a header that is wrong, or a packet too large
  socket,     ///< a filter on the socket, its backlog, its memory
  tcp,        ///< TCP itself: a signature, a sequence, a listener without room
};
inline constexpr std::array<std::string_view, 9> kDropPlaceNames = {"unknown",   "filter", "route",  "qdisc", "device",
                                                                    "cpu-queue", "ip",     "socket", "tcp"};
constexpr std::string_view name_of(DropPlace place) {
  return kDropPlaceNames[static_cast<std::size_t>(place)];
}

/// By the reason; where the kernel gives none, by the function.
DropPlace place_of(const Drops& drops);

}  // namespace tcpadvisor
