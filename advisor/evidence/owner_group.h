// SPDX-License-Identifier: Apache-2.0
// The name under which people know a group of processes, from the path of its cgroup alone. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tcpadvisor {

enum class GroupKind : std::uint8_t { unit, container, pod, user, cgroup };
std::string_view name_of(GroupKind kind);

struct OwnerGroup {
  GroupKind kind = GroupKind::cgroup;
  std::string name;  ///< "nginx.service", "1f2e3d4c5b6a", "shop/web-7d9f/nginx", "user-1000.slice", a path
  std::string id;    ///< the unit as systemctl takes it, all digits of a container's id, a pod's or user's uid
  std::string pod;   ///< uid of the pod that a container belongs to, if it belongs to one
  auto operator<=>(const OwnerGroup&) const = default;
};

/// Names that no path tells: by container id "namespace/pod/container", by pod uid "namespace/pod".
using GroupNames = std::map<std::string, std::string>;

/// The container if there is one (the innermost), else the pod, the systemd unit, the user's slice, the path itself.
/// Nothing for an empty path: then the cgroup is not known.
std::optional<OwnerGroup> owner_group_of(std::string_view cgroup_path, const GroupNames& names = {});

/// "unit nginx.service", "container 1f2e3d4c5b6a", "user-1000.slice", "cgroup /a/b".
std::string group_text(const OwnerGroup& group);

}  // namespace tcpadvisor
