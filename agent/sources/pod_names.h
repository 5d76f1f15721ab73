// SPDX-License-Identifier: Apache-2.0
// Names of pods and containers, from how the kubelet names the directories and links of their logs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/evidence/owner_group.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

struct KnownName {
  std::string id;    ///< of the container, or uid of the pod
  std::string name;  ///< "namespace/pod/container", "namespace/pod"
  auto operator<=>(const KnownName&) const = default;
};
/// "shop_web-7d9f_3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4", a directory below /var/log/pods.
std::optional<KnownName> parse_pod_log(std::string_view directory);
/// "web-7d9f_shop_nginx-1f2e….log", a link below /var/log/containers.
std::optional<KnownName> parse_container_log(std::string_view link);

/// Everything that the names below /var/log tell, of at most kMaxPodNames. Empty where there is no kubelet, or where we
/// may not read.
inline constexpr std::size_t kMaxPodNames = 20'000;
GroupNames read_pod_names(const os::ProcRoot& root);

}  // namespace tcpadvisor::sources
