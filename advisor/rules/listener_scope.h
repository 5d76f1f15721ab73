// SPDX-License-Identifier: Apache-2.0
// Which listening socket a finding is about.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "advisor/evidence/connections.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// The listening socket that takes connections to `local`: the one of this very address, else one of all addresses
/// (of the same family before the other), and of several the one with the longest queue; null if none is visible.
const SocketRow* listener_of(const Connections& connections, NetnsId netns, const Endpoint& local);
std::string port_text(const SocketRow& listener);  ///< "port 8443"
/// How to see what the process does that should accept. Never a debugger on an init or on one of several holders.
std::string step_to_see_why(const SocketRow& listener);
/// Only a service manager holds it, by socket activation: the service that should accept does not run.
bool service_is_missing(const SocketRow& listener);
/// What that makes of a finding about the listener's queue.
void say_service_is_missing(const Sample& sample, const SocketRow& listener, Finding& finding);
Scope scope_of_listener(const Sample& sample, const SocketRow& listener);

/// Workers that a parent has started share its listener, and the parent only looks after them. Those of which
/// `affected` is true, if they are all that could accept.
std::vector<const OwnerTotals*> affected_workers(const Sample& sample, const SocketRow& listener,
                                                 const std::function<bool(Pid)>& affected);

}  // namespace tcpadvisor
