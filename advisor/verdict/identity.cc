// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

/// ":8443" if somebody listens there: an ephemeral port would be another one next time.
std::string_view service_port(const Connections& connections, const Scope& scope) {
  std::size_t colon = scope.local.rfind(':');
  if (colon == std::string::npos) return "";
  const std::string_view port = std::string_view(scope.local).substr(colon);
  auto number = parse_u64(port.substr(1));
  bool is_port = number && *number <= UINT16_MAX;
  return is_port && !connections.listeners(scope.netns, static_cast<std::uint16_t>(*number)).empty() ? port : "";
}

/// Each part by its name, so that neither the order in which a rule measures nor the order of an enum has a say.
void write_identity(const Connections& connections, const Finding& finding, std::string& out) {
  const Scope& scope = finding.scope;
  const std::string_view port = service_port(connections, scope);
  out = "rule=";
  out += finding.id;
  auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append("\n").append(name).append("=").append(value);
  };
  add("topic", finding.topic);
  add("scope", name_of(scope.kind));
  add("netns", scope.netns_name);
  add("comm", scope.comm);
  add("cgroup", scope.cgroup);
  add("port", port);
  if (port.empty()) add("remote", scope.remote);
}

/// In the order of numbering: those that are alike are numbered by their process.
struct Known {
  std::uint64_t hash = 0;
  Pid pid = 0;
  std::size_t index = 0;
  auto operator<=>(const Known&) const = default;
};

}  // namespace

std::uint64_t subject_of(const Connections& connections, const Finding& finding) {
  std::string identity;
  write_identity(connections, finding, identity);
  return stable_hash(identity.append("\npid=").append(fmt::to_string(finding.scope.pid.value_or(0))));
}

void set_instances(const Connections& connections, std::vector<Finding>& findings) {
  std::vector<Known> all;
  all.reserve(findings.size());
  std::string identity;  // one for all of them: there may be thousands
  for (std::size_t i = 0; i < findings.size(); ++i) {
    write_identity(connections, findings[i], identity);
    all.push_back({.hash = stable_hash(identity), .pid = findings[i].scope.pid.value_or(0), .index = i});
  }
  std::ranges::sort(all);
  std::size_t number = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Finding& finding = findings[all[i].index];
    number = i > 0 && all[i - 1].hash == all[i].hash ? number + 1 : 1;
    std::uint64_t hash = all[i].hash;
    if (number > 1) {
      write_identity(connections, finding, identity);
      hash = stable_hash(fmt::format("{}\nnumber={}", identity, number));
    }
    finding.instance = hex64(hash);
  }
}

}  // namespace tcpadvisor
