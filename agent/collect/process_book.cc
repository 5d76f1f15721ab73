// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/process_book.h"

#include <algorithm>

namespace tcpadvisor::collect {
namespace {

/// How much a path tells of a process: its container more than the unit that started it, and anything more than a root.
int tells(const std::string& path) {
  if (path.empty()) return 0;
  if (path == "/") return 1;
  switch (owner_group_of(path)->kind) {
    case GroupKind::container:
      return 5;
    case GroupKind::pod:
      return 4;
    case GroupKind::unit:
    case GroupKind::user:
      return 3;
    case GroupKind::cgroup:
      break;
  }
  return 2;
}

/// Hosts with v1 hierarchies have several paths for a process, and only some of them say something.
const std::string& telling_path(const std::string& known, const sources::ProcessCgroups& cgroups) {
  const std::string* best = &known;
  for (const std::string* path : {&cgroups.unified, &cgroups.systemd, &cgroups.memory}) {
    if (*path != *best && tells(*path) > tells(*best)) best = path;
  }
  return *best;
}

}  // namespace

void ProcessBook::complete(std::vector<OwnerTotals>& owners, const os::ProcRoot& root, std::uint64_t now_ms) {
  std::erase_if(pages_, [now_ms](const auto& entry) { return now_ms - entry.second.read_ms > kTrustedForMs; });
  std::ranges::sort(owners, [](const OwnerTotals& a, const OwnerTotals& b) {
    return a.tcp_sockets() != b.tcp_sockets() ? a.tcp_sockets() > b.tcp_sockets() : a.pid < b.pid;
  });
  std::size_t count = std::min(owners.size(), kMaxProcesses);
  if (pages_.size() + count > kMaxPages) pages_.clear();
  std::size_t allowance = kMaxFdsCounted;
  if (!freezer_) freezer_.emplace(root);
  freezer_->look_again();
  for (OwnerTotals& owner : std::span(owners).first(count)) {
    auto [at, is_new] = pages_.try_emplace(owner.pid);
    Page& page = at->second;
    bool other_process = !owner.comm.empty() && page.facts.comm != owner.comm;  // the pid was reused, or it exec'ed
    if (is_new || other_process) {
      page = {sources::read_process(root, owner.pid, allowance), now_ms};
    } else {
      auto fds = sources::count_fds(root, owner.pid, allowance);
      if (fds || allowance > 0) page.facts.fds = fds;  // else: the last number that we could afford
    }
    if (owner.comm.empty()) owner.comm = page.facts.comm;
    owner.cgroup = telling_path(owner.cgroup, page.facts.cgroups);
    if (owner.netns == 0) owner.netns = page.facts.netns;
    if (owner.pid_inside == 0) owner.pid_inside = page.facts.pid_inside;
    if (!owner.fds) owner.fds = page.facts.fds;
    if (!owner.fd_limit) owner.fd_limit = page.facts.fd_limit;
    sources::ProcessLife life = sources::read_process_life(root, owner.pid);
    owner.process_state = life.state;
    freezer_->judge(owner, page.facts.cgroups);
    owner.rss_bytes = life.rss_bytes;
  }
}

std::string ProcessBook::memory_cgroup(Pid pid) const {
  auto at = pages_.find(pid);
  return at == pages_.end() ? "" : at->second.facts.cgroups.memory;
}

}  // namespace tcpadvisor::collect
