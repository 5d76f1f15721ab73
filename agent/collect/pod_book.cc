// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/pod_book.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "agent/sources/pod_names.h"

namespace tcpadvisor::collect {
namespace {

/// Ids that the kubelet may have a name for.
std::set<std::string> ids_in(const Picture& picture) {
  std::set<std::string_view> paths;
  for (const OwnerTotals& owner : picture.owners) paths.insert(owner.cgroup);
  for (const CgroupTotals& cgroup : picture.cgroups) paths.insert(cgroup.path);
  std::set<std::string> ids;
  for (std::string_view path : paths) {
    auto group = owner_group_of(path);
    if (!group || (group->pod.empty() && group->kind != GroupKind::pod)) continue;
    ids.insert(group->id);
    if (!group->pod.empty()) ids.insert(group->pod);
  }
  return ids;
}

}  // namespace

GroupNames PodBook::names_for(const Picture& picture, std::uint64_t now_ms) {
  std::set<std::string> ids = ids_in(picture);
  bool knows_all = std::ranges::all_of(ids, [this](const std::string& id) { return known_.contains(id); });
  if (!knows_all && (!read_ms_ || now_ms - *read_ms_ >= kReadAgainAfterMs)) {
    known_ = sources::read_pod_names(root_);
    read_ms_ = now_ms;
  }
  GroupNames names;
  for (const std::string& id : ids) {
    if (auto found = known_.find(id); found != known_.end()) names.insert(*found);
  }
  return names;
}

}  // namespace tcpadvisor::collect
