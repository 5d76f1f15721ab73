// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/finding.h"

namespace tcpadvisor {

bool Telling::too_many(Finding& finding) {
  finding.brief = ++told_[static_cast<std::size_t>(finding.severity)] > kToldOneByOne;
  return finding.brief;
}

std::string_view name_of(ScopeKind kind) {
  switch (kind) {
    case ScopeKind::host:
      return "host";
    case ScopeKind::netns:
      return "netns";
    case ScopeKind::cgroup:
      return "cgroup";
    case ScopeKind::process:
      return "process";
    case ScopeKind::listener:
      return "listener";
    case ScopeKind::connection_group:
      return "connection-group";
  }
  return "host";
}

}  // namespace tcpadvisor
