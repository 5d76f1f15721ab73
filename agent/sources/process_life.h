// SPDX-License-Identifier: Apache-2.0
// What a process is doing just now, and its memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"
#include "agent/sources/cgroups.h"
#include "agent/sources/processes.h"

namespace tcpadvisor::sources {

struct ProcessLife {
  ProcessState state = ProcessState::unknown;  ///< of the main thread; never `frozen`: only the cgroup tells
  std::optional<std::uint64_t> rss_bytes;
  bool operator==(const ProcessLife&) const = default;
};

/// A line of /proc/<pid>/stat (Documentation/filesystems/proc.rst). The name in it may hold anything, also ")" and
/// newlines. Of a process whose main thread has ended before the others, nothing is known.
ProcessLife parse_process_stat(std::string_view stat, std::uint64_t page_size);
/// Nothing known if it has ended.
ProcessLife read_process_life(const os::ProcRoot& root, Pid pid);

/// Which cgroups are frozen. Each is asked once for all its processes, until look_again().
class Freezer {
 public:
  explicit Freezer(const os::ProcRoot& root);
  void look_again() { known_.clear(); }
  /// Sets the state to frozen, and the file by which it thaws, of a process that is in a frozen cgroup. Such a one
  /// seems to sleep: state S with v2, D with v1.
  void judge(OwnerTotals& owner, const ProcessCgroups& cgroups);

 private:
  std::string frozen_by(const std::string& mount, const std::string& cgroup, bool v1);

  os::ProcRoot root_;
  CgroupMounts mounts_;
  std::map<std::string, std::string> known_;  ///< by directory: the file, empty if it is not frozen
};

}  // namespace tcpadvisor::sources
