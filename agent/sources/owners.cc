// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/owners.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
constexpr std::size_t kMaxThreads = 16'384, kMaxTables = 64;  // of one process: each thread is compared with each table

struct Limits {
  std::size_t files = kAll, holders = kAll;
};

/// One table of descriptors. False when it is there but does not let us look.
bool scan_table(const std::string& fd_dir, Pid pid, const Limits& most, OwnerScan& scan) {
  std::unique_ptr<DIR, CloseDir> dir(opendir(fd_dir.c_str()));
  if (!dir) return errno != EACCES && errno != EPERM;
  std::array<char, 64> target;
  while (const dirent* entry = readdir(dir.get())) {
    auto fd = number<int>(entry->d_name);
    if (!fd) continue;
    if (scan.files >= most.files) {
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
    if (scan.holders.size() >= most.holders) {
      ++scan.over_limit;
    } else {
      scan.holders.push_back({*inode, pid, *fd});
    }
  }
  return true;
}

/// Whether two threads have one table. Where the kernel does not tell, they are taken to.
bool share_table(Pid a, Pid b) {
  long order = syscall(SYS_kcmp, static_cast<pid_t>(a), static_cast<pid_t>(b), KCMP_FILES, 0ul, 0ul);
  return order == 0 || order < 0;
}

/// The tables of threads that are not the main thread's: of a main thread that has ended, and of threads that called
/// unshare(CLONE_FILES).
bool scan_threads(const os::ProcRoot& root, Pid pid, bool main_has_none, const Limits& most, OwnerScan& scan) {
  struct stat info{};
  std::string task_dir = root.path(fmt::format("/proc/{}/task", pid));
  constexpr nlink_t kOfOneThread = 3;  // ".", "..", and the thread
  if (stat(task_dir.c_str(), &info) != 0 || (root.is_real() && info.st_nlink <= kOfOneThread)) return true;
  std::unique_ptr<DIR, CloseDir> dir(opendir(task_dir.c_str()));
  std::vector<Pid> shown;
  if (!main_has_none) shown.push_back(pid);
  for (std::size_t looked_at = 0; const dirent* entry = dir ? readdir(dir.get()) : nullptr;) {
    auto thread = number<Pid>(entry->d_name);
    if (!thread || *thread == pid) continue;
    if (++looked_at > kMaxThreads || shown.size() > kMaxTables) {
      ++scan.over_limit;
      break;
    }
    auto has_same = [&](Pid other) { return !root.is_real() || share_table(other, *thread); };
    if (std::ranges::any_of(shown, has_same)) continue;
    shown.push_back(*thread);
    if (!scan_table(fmt::format("{}/{}/fd", task_dir, *thread), pid, most, scan)) return false;
  }
  return true;
}

/// False when the process is there but does not let us look.
bool scan_process(const os::ProcRoot& root, Pid pid, const Limits& most, OwnerScan& scan) {
  std::uint64_t before = scan.files;
  if (!scan_table(root.path(fmt::format("/proc/{}/fd", pid)), pid, most, scan)) return false;
  return scan_threads(root, pid, scan.files == before, most, scan);
}

}  // namespace

std::optional<std::uint64_t> parse_socket_link(std::string_view text) {
  if (!text.starts_with("socket:[") || !text.ends_with("]")) return std::nullopt;
  return number<std::uint64_t>(text.substr(8, text.size() - 9));
}

Result<OwnerScan> scan_owners(const os::ProcRoot& root, std::size_t max_holders) {
  auto pids = root.pids();
  if (!pids) return std::unexpected(pids.error());
  OwnerScan scan;
  for (Pid pid : *pids) {
    if (!scan_process(root, pid, {.holders = max_holders}, scan)) ++scan.unreadable;
  }
  std::ranges::sort(scan.holders);
  return scan;
}

OwnerScan scan_owner(const os::ProcRoot& root, Pid pid, std::size_t max_files) {
  OwnerScan scan;
  if (!scan_process(root, pid, {.files = max_files}, scan)) scan.unreadable = 1;
  std::ranges::sort(scan.holders);
  return scan;
}

}  // namespace tcpadvisor::sources
