// SPDX-License-Identifier: Apache-2.0
#include "agent/export/metric_labels.h"

#include <algorithm>

#include "advisor/base/saturate.h"

namespace tcpadvisor::exported {
namespace {

constexpr std::size_t kMostNamespaces = 16;

}  // namespace

std::string network_label(const Endpoint& peer) {
  if (peer.is_loopback()) return "loopback";
  Endpoint network = peer;
  const std::size_t kept = peer.v6 ? 6 : 3;
  std::fill(network.ip.begin() + static_cast<std::ptrdiff_t>(kept), network.ip.end(), std::uint8_t{0});
  return network.ip_text() + (peer.v6 ? "/48" : "/24");
}

std::string netns_label(const Sample& sample, NetnsId netns) {
  std::size_t place = 0;
  for (const NetnsSample& one : sample.netns) {
    if (one.id != netns) {
      ++place;
      continue;
    }
    if (one.is_host) return "host";
    if (one.name.empty() || one.name.starts_with("pid:")) return "unnamed";
    return place < kMostNamespaces ? one.name : std::string(kOther);
  }
  return "unnamed";
}

std::string port_label(const Sample& sample, NetnsId netns, std::uint16_t port) {
  const NetnsSample* place = sample.find_netns(netns);
  if (place != nullptr) {
    auto range = place->sysctls.find("net.ipv4.ip_local_port_range");
    if (range != place->sysctls.end() && range->second.values.size() == 2 && port >= range->second.values[0] &&
        port <= range->second.values[1])
      return "ephemeral";
  }
  return std::to_string(port);
}

Labels listener_labels(const Sample& sample, const SocketRow& row) {
  return {netns_label(sample, row.netns), row.local.ip_text(), port_label(sample, row.netns, row.local.port)};
}

Labels group_labels(const std::optional<OwnerGroup>& group) {
  if (!group) return {"unknown", ""};
  return {std::string(name_of(group->kind)), group->name};
}

std::vector<Labels> largest(std::vector<Weighed> all, std::size_t most, const std::vector<Labels>& before) {
  for (Weighed& one : all) {
    if (std::ranges::find(before, one.name) != before.end()) one.weight = add_sat(mul_sat(one.weight, 2), 1);
  }
  std::ranges::sort(all, [](const Weighed& a, const Weighed& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.name < b.name;
  });
  std::vector<Labels> names;
  for (Weighed& one : all) {
    if (names.size() == most) break;
    if (std::ranges::find(names, one.name) == names.end()) names.push_back(std::move(one.name));
  }
  return names;
}

}  // namespace tcpadvisor::exported
