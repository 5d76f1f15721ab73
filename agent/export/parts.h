// SPDX-License-Identifier: Apache-2.0
// The parts of a tick as JSON, and descriptions of what is in them. Each has its tables in the .cc that is named here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "agent/export/value.h"
#include "agent/observe/links.h"
#include "agent/observe/observation.h"

namespace tcpadvisor::exported {

using observe::Link;
using observe::Observation;

// host_values.cc
nlohmann::json host_json(const Sample& now);
nlohmann::json self_json(const Sample& now);
nlohmann::json memory_json(const Sample& now);
nlohmann::json packets_json(const Sample& now);
nlohmann::json stalls_json(const Sample& now);
nlohmann::json conntrack_json(const Sample& now);
nlohmann::json states_json(const Observation& seen);
nlohmann::json rates_json(const Observation& seen);  ///< empty when there is no tick before
void describe_host(std::vector<Description>& all);

// socket_values.cc
nlohmann::json connections_json(std::span<const Link> links, const Observation& seen);
nlohmann::json listeners_json(const Observation& seen);
void describe_sockets(std::vector<Description>& all);

// connect_values.cc
nlohmann::json port_use_json(const Observation& seen);
nlohmann::json failed_connects_json(const Observation& seen);
nlohmann::json retransmits_json(const Observation& seen);  ///< towards the addresses with the most
void describe_connects(std::vector<Description>& all);

// owner_values.cc
nlohmann::json owners_json(const Observation& seen);
nlohmann::json groups_json(const Observation& seen);
nlohmann::json build_up_json(const Observation& seen);
nlohmann::json user_queues_json(const Observation& seen);
void describe_owners(std::vector<Description>& all);

}  // namespace tcpadvisor::exported
