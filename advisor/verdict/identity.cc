// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

/// ":8443" if somebody listens there: an ephemeral port would be another one next time.
std::string service_port(const Sample& latest, const Scope& scope) {
  for (const SocketRow& row : latest.sockets) {
    if (row.state != TcpState::listen || row.netns != scope.netns) continue;
    std::string port = fmt::format(":{}", row.local.port);
    if (scope.local.ends_with(port)) return port;
  }
  return "";
}

std::string identity_of(const Sample& latest, const Finding& finding) {
  const Scope& scope = finding.scope;
  std::string port = service_port(latest, scope);
  // One rule may have several topics (do-nothing): the first metric names it.
  std::string topic = finding.evidence.empty() ? "" : finding.evidence.front().metric;
  return fmt::format("{}|{}|{}|{}|{}|{}|{}", finding.id, static_cast<int>(scope.kind), scope.netns_name, scope.comm,
                     scope.cgroup, port.empty() ? scope.remote : port, topic);
}

}  // namespace

void set_instances(const Sample& latest, std::vector<Finding>& findings) {
  std::map<std::string, std::vector<Finding*>> equal;
  for (Finding& finding : findings) equal[identity_of(latest, finding)].push_back(&finding);
  for (auto& [identity, same] : equal) {
    std::ranges::stable_sort(same, {}, [](const Finding* finding) { return finding->scope.pid.value_or(0); });
    for (std::size_t i = 0; i < same.size(); ++i) {
      same[i]->instance = hex64(stable_hash(i == 0 ? identity : fmt::format("{}#{}", identity, i + 1)));
    }
  }
}

}  // namespace tcpadvisor
