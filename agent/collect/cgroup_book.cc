// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/cgroup_book.h"

#include <algorithm>
#include <map>
#include <span>

namespace tcpadvisor::collect {

CgroupBook::CgroupBook(const os::ProcRoot& root) : root_(root) {
  if (auto text = root_.read("/proc/mounts")) mounts_ = sources::parse_cgroup_mounts(*text);
}

bool CgroupBook::knows_all(const Picture& picture) const {
  return std::ranges::all_of(picture.cgroups,
                             [this](const CgroupTotals& group) { return !tree_.path(group.id).empty(); });
}

void CgroupBook::name(Picture& picture, std::uint64_t now_ms) {
  if (!mounts_.unified) return;
  bool may_walk = !walked_ || now_ms - walked_ms_ >= kWalkAgainAfterMs;
  if (may_walk && (!walked_ || !knows_all(picture))) {
    tree_.walk(root_, mounts_);
    walked_ = true;
    walked_ms_ = now_ms;
  }
  for (CgroupTotals& group : picture.cgroups) group.path = tree_.path(group.id);
  for (OwnerTotals& owner : picture.owners) owner.cgroup = tree_.path(owner.cgroup_id);
  for (SocketRow& row : picture.rows) row.cgroup = tree_.path(row.cgroup_id);
}

void CgroupBook::group_by_owner(Picture& picture, const ProcessBook& processes) const {
  std::map<std::string, CgroupTotals> groups;
  for (const OwnerTotals& owner : picture.owners) {
    std::string path = processes.memory_cgroup(owner.pid);
    if (path.empty()) continue;
    CgroupTotals& group = groups[path];
    group.path = path;
    group.sockets += owner.tcp_sockets();
    group.recv_q += owner.recv_q;
    group.send_q += owner.send_q;
    group.rmem += owner.rmem;
    group.wmem += owner.wmem;
  }
  picture.cgroups.clear();
  for (auto& [path, group] : groups) picture.cgroups.push_back(std::move(group));
}

void CgroupBook::add_memory(Picture& picture, const ProcessBook& processes) {
  if (!ids_are_usable()) {
    if (!mounts_.v1_memory) return;
    group_by_owner(picture, processes);
  }
  std::ranges::sort(picture.cgroups, std::ranges::greater(), &CgroupTotals::sockets);
  for (CgroupTotals& group : std::span(picture.cgroups).first(std::min(picture.cgroups.size(), kMaxGroups))) {
    if (ids_are_usable() && !group.path.empty()) sources::read_memory_v2(root_, *mounts_.unified, group);
    if (!ids_are_usable()) sources::read_memory_v1(root_, *mounts_.v1_memory, group);
  }
}

std::vector<Attempt> CgroupBook::attempts() const {
  std::vector<Attempt> tried;
  if (ids_are_usable()) {
    tried.push_back(works("cgroup v2"));
  } else if (mounts_.hybrid) {
    tried.push_back(works_not("cgroup v2", "v1 controllers are mounted too: sockets then carry only the v2 root",
                              "boot with systemd.unified_cgroup_hierarchy=1"));
  } else {
    tried.push_back(works_not("cgroup v2", "no cgroup2 mount in /proc/mounts", "mount -t cgroup2 none /sys/fs/cgroup"));
  }
  if (mounts_.v1_memory) {
    tried.push_back(works("cgroup v1 memory.kmem.tcp"));
  } else {
    tried.push_back(works_not("cgroup v1 memory.kmem.tcp", "no v1 memory controller in /proc/mounts"));
  }
  return tried;
}

std::string CgroupBook::remark() const {
  return !ids_are_usable() && mounts_.v1_memory ? "by the cgroup of the owning process, not of the socket" : "";
}

}  // namespace tcpadvisor::collect
