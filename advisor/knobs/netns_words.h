// SPDX-License-Identifier: Apache-2.0
// How a network namespace is called, and how a command gets into it. Pure.
#pragma once

#include <string>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// "host", "blue", "pid:4242"; "net:[4026531840]" for one without a name, "" for number 0.
std::string netns_name(const Sample& sample, NetnsId netns);

/// What to write before a command so that it runs there: "" for the host's, "ip netns exec blue " or "nsenter …" for
/// others, "" also for one without a name: there is no path to it.
std::string netns_prefix(const std::string& name, bool is_host);
std::string in_netns(const Sample& sample, NetnsId netns);

}  // namespace tcpadvisor
