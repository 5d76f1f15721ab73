// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/safe_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

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

bool is_manager(Pid pid, const std::string& comm) {
  return pid == 1 || comm.starts_with(kShim) || std::ranges::find(kManagers, comm) != kManagers.end();
}

bool StepTarget::harmless() const {
  return pid != 0 && holders <= 1 && !is_manager(pid, comm);
}

std::string step_to_see_what_it_does(const StepTarget& process) {
  std::string step = fmt::format("see where it hangs: cat /proc/{0}/wchan /proc/{0}/status", process.pid);
  if (!process.harmless()) return step;
  return step + fmt::format("; gdb -p {} -batch -ex 'thread apply all bt'", process.pid);
}

std::string step_to_restart(const StepTarget& process) {
  return process.harmless() ? "until then, a restart of the process frees them" : "";
}

}  // namespace tcpadvisor
