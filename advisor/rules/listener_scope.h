// SPDX-License-Identifier: Apache-2.0
// Which listening socket a finding is about.
#pragma once

#include <cstdint>

#include "advisor/evidence/connections.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// The listening socket of a port, the one with the longest queue if there are several; null if none is visible.
const SocketRow* listener_of(const Connections& connections, NetnsId netns, std::uint16_t port);
Scope scope_of_listener(const Sample& sample, const SocketRow& listener);

}  // namespace tcpadvisor
