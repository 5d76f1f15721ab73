// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/managers.h"

#include <algorithm>
#include <array>

namespace tcpadvisor {
namespace {

/// As the kernel names them: 15 bytes at most.
constexpr std::array<std::string_view, 25> kManagers = {
    "systemd",      "init",      "(systemd)",   "upstart",   "openrc-init", "supervisord", "s6-svscan",
    "s6-supervise", "runsvdir",  "runsv",       "runit",     "monit",       "inetd",       "xinetd",
    "tini",         "dumb-init", "docker-init", "catatonit", "dockerd",     "containerd",  "crio",
    "conmon",       "podman",    "kubelet",     "circusd"};
constexpr std::string_view kShim = "containerd-shim";

}  // namespace

bool is_manager(std::uint32_t pid, std::string_view comm) {
  return pid == 1 || comm.starts_with(kShim) || std::ranges::find(kManagers, comm) != kManagers.end();
}

}  // namespace tcpadvisor
