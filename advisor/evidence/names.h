// SPDX-License-Identifier: Apache-2.0
// What people and programs are told a socket's holder, state and namespace are called. Pure.
#pragma once

#include <string>
#include <string_view>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// "nginx[812]", "nginx[812]+3" when three more processes hold it, "outside this container", "(no descriptor)",
/// "(not accepted)", "(orphan)", "(kernel)", "?".
std::string owner_text(const SocketRow& row);
/// "nginx[812]", or "nginx" of a process outside our pid namespace.
std::string last_user_text(const LastUser& user);
/// The name that ss users know: a request socket is shown as SYN_RECV.
std::string_view state_text(TcpState state);
/// "refused", "timed-out", "unreachable", "given-up", "no-port", "other".
std::string_view name_of(ConnectEnd end);
/// Identity of a socket from tick to tick.
std::string key_of(const SocketRow& row);
/// "10.0.0.0/24", "2001:db8::/64", "other networks".
std::string network_text(const NetworkTotals& network);
/// What they lead to: "port 443 from 10.0.0.0/24", "10.0.0.0/24 port 5432".
std::string place_text(const NetworkTotals& network);
/// Name of a namespace; "netns 4026531840" when it has none.
std::string netns_text(const Sample& sample, NetnsId id);

}  // namespace tcpadvisor
