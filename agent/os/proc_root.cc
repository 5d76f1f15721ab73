// SPDX-License-Identifier: Apache-2.0
#include "agent/os/proc_root.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::os {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

Result<UniqueFd> open_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open " + path, errno);
  return fd;
}

/// One read() that is not stopped by a signal; 0 at the end.
Result<std::size_t> read_some(int fd, const std::string& path, char* into, std::size_t size) {
  while (true) {
    ssize_t got = ::read(fd, into, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return fail_errno("cannot read " + path, errno);
  }
}

}  // namespace

ErrorCode code_of(int sys_errno) {
  switch (sys_errno) {
    case ENOENT:
    case ESRCH:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
      return ErrorCode::denied;
    default:
      return ErrorCode::failed;
  }
}

std::unexpected<Error> fail_errno(std::string_view what, int sys_errno) {
  return fail(code_of(sys_errno), fmt::format("{}: {}", what, std::strerror(sys_errno)), sys_errno);
}

Result<std::string> ProcRoot::read(std::string_view absolute, std::size_t max_bytes) const {
  std::string full = path(absolute);
  auto fd = open_file(full);
  if (!fd) return std::unexpected(fd.error());
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    auto got = read_some(fd->get(), full, buffer.data(), buffer.size());
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return text;
    text.append(buffer.data(), *got);
    if (text.size() > max_bytes) {
      return fail(ErrorCode::failed, fmt::format("{} is larger than {} bytes", full, max_bytes));
    }
  }
}

Status ProcRoot::for_each_line(std::string_view absolute,
                               const std::function<Status(std::string_view, std::size_t)>& line) const {
  std::string full = path(absolute);
  auto fd = open_file(full);
  if (!fd) return std::unexpected(fd.error());
  std::string pending;  // the start of a line whose end has not been read
  std::array<char, 65536> buffer;
  std::size_t number = 0;
  while (true) {
    auto got = read_some(fd->get(), full, buffer.data(), buffer.size());
    if (!got) return std::unexpected(got.error());
    if (*got == 0) break;
    std::string_view rest(buffer.data(), *got);
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      std::string_view piece = rest.substr(0, end);
      if (!pending.empty()) piece = pending.append(piece);
      if (auto status = line(piece, ++number); !status) return status;
      pending.clear();
      rest.remove_prefix(end + 1);
    }
    pending.append(rest);
    if (pending.size() > (1u << 20))
      return fail(ErrorCode::failed, fmt::format("{}:{}: endless line", full, number + 1));
  }
  return pending.empty() ? Status{} : line(pending, ++number);
}

Result<std::string> ProcRoot::read_link(std::string_view absolute) const {
  std::string full = path(absolute);
  std::array<char, 512> buffer;
  ssize_t got = readlink(full.c_str(), buffer.data(), buffer.size());
  if (got < 0) return fail_errno("cannot read the link " + full, errno);
  return std::string(buffer.data(), static_cast<std::size_t>(got));
}

Result<std::uint64_t> ProcRoot::inode(std::string_view absolute) const {
  std::string full = path(absolute);
  struct stat info{};
  if (stat(full.c_str(), &info) != 0) return fail_errno("cannot look at " + full, errno);
  return static_cast<std::uint64_t>(info.st_ino);
}

bool ProcRoot::is_file(std::string_view absolute) const {
  struct stat info{};
  return stat(path(absolute).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

Result<std::vector<std::string>> ProcRoot::list(std::string_view absolute) const {
  std::string full = path(absolute);
  std::unique_ptr<DIR, CloseDir> dir(opendir(full.c_str()));
  if (!dir) return fail_errno("cannot list " + full, errno);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir.get())) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<std::size_t> ProcRoot::count(std::string_view absolute, std::size_t most) const {
  std::string full = path(absolute);
  std::unique_ptr<DIR, CloseDir> dir(opendir(full.c_str()));
  if (!dir) return fail_errno("cannot list " + full, errno);
  std::size_t names = 0;
  while (names < most) {
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") ++names;
  }
  return names;
}

Result<std::vector<std::uint32_t>> ProcRoot::pids() const {
  auto names = list("/proc");
  if (!names) return std::unexpected(names.error());
  std::vector<std::uint32_t> pids;
  for (const std::string& name : *names) {
    std::uint32_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

}  // namespace tcpadvisor::os
