// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

/// ":8443" if somebody listens there: an ephemeral port would be another one next time.
std::string service_port(const Connections& connections, const Scope& scope) {
  std::size_t colon = scope.local.rfind(':');
  if (colon == std::string::npos) return "";
  std::string port = scope.local.substr(colon);
  auto number = parse_u64(std::string_view(port).substr(1));
  bool is_port = number && *number <= UINT16_MAX;
  return is_port && !connections.listeners(scope.netns, static_cast<std::uint16_t>(*number)).empty() ? port : "";
}

/// Each part by its name, so that neither the order in which a rule measures nor the order of an enum has a say.
std::string identity_of(const Connections& connections, const Finding& finding) {
  const Scope& scope = finding.scope;
  std::string port = service_port(connections, scope);
  std::string out = fmt::format("rule={}", finding.id);
  auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("\n{}={}", name, value);
  };
  add("topic", finding.topic);
  add("scope", name_of(scope.kind));
  add("netns", scope.netns_name);
  add("comm", scope.comm);
  add("cgroup", scope.cgroup);
  add("port", port);
  if (port.empty()) add("remote", scope.remote);
  return out;
}

}  // namespace

std::uint64_t subject_of(const Connections& connections, const Finding& finding) {
  return stable_hash(fmt::format("{}\npid={}", identity_of(connections, finding), finding.scope.pid.value_or(0)));
}

void set_instances(const Connections& connections, std::vector<Finding>& findings) {
  // By hash first: thousands of long texts begin alike.
  std::map<std::pair<std::uint64_t, std::string>, std::vector<Finding*>> equal;
  for (Finding& finding : findings) {
    std::string identity = identity_of(connections, finding);
    const std::uint64_t hash = stable_hash(identity);
    equal[{hash, std::move(identity)}].push_back(&finding);
  }
  for (auto& [key, same] : equal) {
    const auto& [hash, identity] = key;
    std::ranges::stable_sort(same, {}, [](const Finding* finding) { return finding->scope.pid.value_or(0); });
    for (std::size_t i = 0; i < same.size(); ++i) {
      same[i]->instance = hex64(i == 0 ? hash : stable_hash(fmt::format("{}\nnumber={}", identity, i + 1)));
    }
  }
}

}  // namespace tcpadvisor
