// SPDX-License-Identifier: Apache-2.0
// Connections of processes by the network of their peers as JSON: the same objects in a report and in `watch --json`.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

/// Of Sample::networks so many are shown; the others are counted.
inline constexpr std::size_t kMostNetworksShown = 32;

/// Those that are shown, most sockets first, and what is left of them.
struct NetworkList {
  struct Entry {
    NetworkTotals totals;
    std::string netns;  ///< its name
  };
  std::vector<Entry> shown;
  std::uint64_t others = 0, connections_of_others = 0;
};
NetworkList network_list(const Sample& sample);

nlohmann::json networks_json(const NetworkList& list);
/// {"networks": 3, "connections": 1200}
nlohmann::json networks_not_shown_json(const NetworkList& list);

}  // namespace tcpadvisor
