// SPDX-License-Identifier: Apache-2.0
// How the lists name things: owners, states, ages, queues. Pure.
#pragma once

#include <optional>
#include <string>

#include "advisor/evidence/window.h"

namespace tcpadvisor::watch {

/// "nginx[812]", "nginx[812]+3" when three more processes hold it, "(not accepted)", "(orphan)", "(kernel)", "?".
std::string owner_text(const SocketRow& row);
/// The name that ss users know: a request socket is shown as SYN_RECV.
std::string_view state_text(TcpState state);
/// Exact with commas below a million, "2.1 MiB" above.
std::string queue_text(std::uint64_t bytes);
/// At most seven columns: "12m 30s", "4.2 s".
std::string age_text(std::uint64_t ms);
/// ">4.2 s" when it is only a lower bound; "-" when nothing is known yet.
std::string age_text(const Age& age);
/// "+2.3/s", "-120/s", "+4k/s", empty for no change. At most six columns.
std::string change_text(double per_second);
/// "-" when there is no value.
std::string count_or_dash(std::optional<std::uint64_t> value);
/// Identity of a socket from tick to tick.
std::string key_of(const SocketRow& row);
/// Name of a namespace; "netns 4026531840" when it has none.
std::string netns_text(const Sample& sample, NetnsId id);

}  // namespace tcpadvisor::watch
