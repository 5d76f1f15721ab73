// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/owners.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <memory>

#include "advisor/base/fields.h"

namespace tcpadvisor::sources {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// False when the process is there but does not let us look.
bool scan_process(const std::string& fd_dir, Pid pid, std::size_t max_files, std::size_t max_holders, OwnerScan& scan) {
  std::unique_ptr<DIR, CloseDir> dir(opendir(fd_dir.c_str()));
  if (!dir) return errno != EACCES && errno != EPERM;
  std::array<char, 64> target;
  while (const dirent* entry = readdir(dir.get())) {
    auto fd = number<int>(entry->d_name);
    if (!fd) continue;
    if (scan.files >= max_files) {
      ++scan.over_limit;
      break;
    }
    ++scan.files;
    ssize_t length = readlinkat(dirfd(dir.get()), entry->d_name, target.data(), target.size());
    if (length < 0) {
      if (errno == EACCES || errno == EPERM) return false;
      continue;  // closed meanwhile
    }
    auto inode = parse_socket_link(std::string_view(target.data(), static_cast<std::size_t>(length)));
    if (!inode) continue;
    if (scan.holders.size() >= max_holders) {
      ++scan.over_limit;
    } else {
      scan.holders.push_back({*inode, pid, *fd});
    }
  }
  return true;
}

}  // namespace

std::optional<std::uint64_t> parse_socket_link(std::string_view text) {
  if (!text.starts_with("socket:[") || !text.ends_with("]")) return std::nullopt;
  return number<std::uint64_t>(text.substr(8, text.size() - 9));
}

std::span<const SocketHolder> OwnerScan::of(std::uint64_t inode) const {
  auto range = std::ranges::equal_range(holders, inode, {}, &SocketHolder::inode);
  return {range.begin(), range.end()};
}

Result<OwnerScan> scan_owners(const os::ProcRoot& root, std::size_t max_holders) {
  auto pids = root.pids();
  if (!pids) return std::unexpected(pids.error());
  OwnerScan scan;
  for (Pid pid : *pids) {
    if (!scan_process(root.path(fmt::format("/proc/{}/fd", pid)), pid, kAll, max_holders, scan)) ++scan.unreadable;
  }
  std::ranges::sort(scan.holders);
  return scan;
}

OwnerScan scan_owner(const os::ProcRoot& root, Pid pid, std::size_t max_files) {
  OwnerScan scan;
  if (!scan_process(root.path(fmt::format("/proc/{}/fd", pid)), pid, max_files, kAll, scan)) scan.unreadable = 1;
  std::ranges::sort(scan.holders);
  return scan;
}

}  // namespace tcpadvisor::sources
