// SPDX-License-Identifier: Apache-2.0
// Paths and memory of the cgroups that hold sockets.
#pragma once

#include "agent/collect/coverage.h"
#include "agent/collect/join.h"
#include "agent/collect/process_book.h"
#include "agent/sources/cgroups.h"

namespace tcpadvisor::collect {

class CgroupBook {
 public:
  static constexpr std::size_t kMaxGroups = 256;  ///< memory is read for the ones with most sockets
  static constexpr std::uint64_t kWalkAgainAfterMs =
      10'000;  ///< an unknown id may be a new cgroup: look, but not at once

  explicit CgroupBook(const os::ProcRoot& root);

  /// Turns the ids of rows, owners and groups into paths. Before ProcessBook::complete, which fills what stays unknown.
  void name(Picture& picture, std::uint64_t now_ms);
  /// Memory of each group. Without usable ids (hybrid and v1 hosts) the groups are made from the owners. After
  /// complete().
  void add_memory(Picture& picture, const ProcessBook& processes);

  std::vector<Attempt> attempts() const;
  std::string remark() const;

 private:
  bool ids_are_usable() const { return mounts_.unified && !mounts_.hybrid; }
  bool knows_all(const Picture& picture) const;
  void group_by_owner(Picture& picture, const ProcessBook& processes) const;

  os::ProcRoot root_;
  sources::CgroupMounts mounts_;
  sources::CgroupTree tree_;
  std::uint64_t walked_ms_ = 0;
  bool walked_ = false;
};

}  // namespace tcpadvisor::collect
