// SPDX-License-Identifier: Apache-2.0
// What /proc/<pid> tells about a process that holds sockets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// Soft limit "Max open files" of /proc/<pid>/limits; the largest number for "unlimited".
Result<std::uint64_t> parse_fd_limit(std::string_view limits);

struct ProcessCgroups {
  std::string unified;  ///< cgroup v2 path, empty if none
  std::string systemd;  ///< path in the v1 hierarchy without controllers by which systemd names, empty if there is none
  std::string memory;   ///< path in the v1 memory hierarchy, empty if there is none
  std::string freezer;  ///< path in the v1 freezer hierarchy, empty if there is none
};
/// /proc/<pid>/cgroup. Lines that it does not know are skipped.
ProcessCgroups parse_process_cgroups(std::string_view text);

struct ProcessFacts {
  std::string comm;  ///< printable
  ProcessCgroups cgroups;
  NetnsId netns = 0;
  Pid pid_inside = 0;  ///< its number in its own pid namespace, 0 if that is ours
  std::optional<std::uint32_t> fds;
  std::optional<std::uint64_t> fd_limit;
};
/// Descriptors of a process, of any kind. Nothing if we may not see them, or if counting them takes more than the
/// `allowance` of directory entries, from which what it took is taken off. Kernels since 6.2 tell the number at once.
std::optional<std::uint32_t> count_fds(const os::ProcRoot& root, Pid pid, std::size_t& allowance);

/// What cannot be read (another user's process, or one that has just ended) stays empty. `allowance` as above.
ProcessFacts read_process(const os::ProcRoot& root, Pid pid, std::size_t& allowance);

}  // namespace tcpadvisor::sources
