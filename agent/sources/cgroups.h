// SPDX-License-Identifier: Apache-2.0
// cgroups: the path that belongs to an id, and the memory that sockets take there (v2, or kmem.tcp of v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

struct CgroupMounts {
  std::optional<std::string> unified;    ///< where cgroup2 is mounted
  std::optional<std::string> v1_memory;  ///< where the v1 memory controller is mounted
  std::optional<std::string> v1_freezer;
  bool hybrid = false;  ///< v1 and v2 together: sockets then carry the v2 root, which says nothing
};
CgroupMounts parse_cgroup_mounts(std::string_view mounts);

/// Id (inode number in the v2 tree) -> path, from one bounded walk over the directories.
class CgroupTree {
 public:
  static constexpr std::size_t kMaxDirectories = 20'000;
  /// Forgets what it knew and walks again. Without a v2 mount it stays empty.
  void walk(const os::ProcRoot& root, const CgroupMounts& mounts);
  /// Empty when the id is not known; in hybrid mode the root means "not known".
  std::string path(std::uint64_t id) const;
  std::size_t size() const { return paths_.size(); }

 private:
  std::unordered_map<std::uint64_t, std::string> paths_;
};

/// Fills the memory fields of `totals`; `totals.path` is the path in the v2 tree.
void read_memory_v2(const os::ProcRoot& root, const std::string& mount, CgroupTotals& totals);
/// The same from kmem.tcp of the v1 memory controller: its usage is both sock_bytes and memory_current, its limit is
/// memory_max, so that current against max means the same in both worlds.
void read_memory_v1(const os::ProcRoot& root, const std::string& mount, CgroupTotals& totals);

/// The number after `key` in "key value" lines (memory.stat, memory.events).
std::optional<std::uint64_t> parse_flat_keyed(std::string_view text, std::string_view key);

}  // namespace tcpadvisor::sources
