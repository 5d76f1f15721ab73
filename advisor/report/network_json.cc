// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/network_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "advisor/base/saturate.h"
#include "advisor/evidence/names.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;

json states_of(const NetworkTotals& one) {
  json out = json::object();
  for (std::size_t state = 1; state < kStateCount; ++state) {
    if (one.sockets[state] > 0) out[std::string(kStateNames[state])] = one.sockets[state];
  }
  return out;
}

/// Connections by the time since their last byte: shorter than 1 s, 5 s, 1 min, 10 min, 1 h; longer.
json slots(const std::array<std::uint32_t, 6>& counts) {
  json out = json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::string name =
        i < kIdleSlotEndsMs.size() ? "under_" + std::to_string(kIdleSlotEndsMs[i] / 1000) + "_s" : "longer";
    out[name] = counts[i];
  }
  return out;
}

/// What was read of those that were looked at; null if none was.
json looked_at(const NetworkTotals& one) {
  if (one.looked == 0) return {};
  return {{"connections", one.looked},
          {"one_in", one.one_in},
          {"keepalive", one.keepalive ? json(*one.keepalive) : json()},
          {"nodelay", one.nodelay ? json(*one.nodelay) : json()},
          {"idle", slots(one.idle)},
          {"idle_without_keepalive", one.keepalive ? slots(one.silent) : json()},
          {"fwd_alloc_bytes", one.fwd_alloc},
          {"bytes_sent", one.bytes_sent},
          {"bytes_received", one.bytes_received},
          {"busy_ms", one.busy_us / 1000},
          {"rwnd_limited_ms", one.rwnd_limited_us / 1000},
          {"sndbuf_limited_ms", one.sndbuf_limited_us / 1000},
          {"resting_bytes", one.resting_bytes},
          {"resting_rcvbuf_bytes", one.resting_rcvbuf}};
}

json to_json(const NetworkList::Entry& entry) {
  const NetworkTotals& one = entry.totals;
  const bool known = one.pid != 0;
  return {{"netns", known ? json(entry.netns) : json()},
          {"pid", known ? json(one.pid) : json()},
          {"comm", known ? json(one.comm) : json()},
          {"accepted", known ? json(one.accepted) : json()},
          {"port", known ? json(one.port) : json()},
          {"network", one.elsewhere ? json() : json(network_text(one))},
          {"states", states_of(one)},
          {"recv_q", one.recv_q},
          {"send_q", one.send_q},
          {"rmem_bytes", one.rmem},
          {"wmem_bytes", one.wmem},
          {"looked_at", looked_at(one)}};
}

}  // namespace

NetworkList network_list(const Sample& sample) {
  NetworkList list;
  const std::size_t shown = std::min(kMostNetworksShown, sample.networks.size());
  for (const NetworkTotals& one : std::span(sample.networks).first(shown))
    list.shown.push_back({one, netns_text(sample, one.netns)});
  list.others = sample.networks.size() - shown;
  for (const NetworkTotals& one : std::span(sample.networks).subspan(shown))
    list.connections_of_others = add_sat(list.connections_of_others, one.connections());
  return list;
}

json networks_json(const NetworkList& list) {
  json all = json::array();
  for (const NetworkList::Entry& one : list.shown) all.push_back(to_json(one));
  return all;
}

json networks_not_shown_json(const NetworkList& list) {
  return {{"networks", list.others}, {"connections", list.connections_of_others}};
}

}  // namespace tcpadvisor
