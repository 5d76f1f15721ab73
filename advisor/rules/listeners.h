// SPDX-License-Identifier: Apache-2.0
// Listening sockets: their queues, limits and drops.
#pragma once

#include <cstdint>

#include "advisor/rules/rule.h"

namespace tcpadvisor {

Outcome accept_queue_app_slow(const Window& window, const Policy& policy);  ///< full all the time: accept() is too slow
Outcome backlog_too_small(const Window& window, const Policy& policy);      ///< drops in bursts, else almost empty

/// The listening socket of a port; the one with the longest queue if several listen there. Null if none is visible.
const SocketRow* listener_of(const Connections& connections, NetnsId netns, std::uint16_t port);
Scope scope_of_listener(const Sample& sample, const SocketRow& listener);

}  // namespace tcpadvisor
