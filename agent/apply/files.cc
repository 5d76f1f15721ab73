// SPDX-License-Identifier: Apache-2.0
#include "agent/apply/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "agent/os/proc_root.h"
#include "agent/os/write.h"

namespace tcpadvisor::apply {
namespace {

constexpr std::size_t kMost = 16u << 20;  // a journal of years
constexpr mode_t kMode = 0644;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash + 1);
}

/// A name that was made, changed or removed in it stays so.
Status keep_directory(const std::string& path) {
  os::UniqueFd directory(open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || fsync(directory.get()) != 0) return os::fail_errno("cannot sync " + directory_of(path), errno);
  return {};
}

class RealFiles final : public Files {
 public:
  Result<std::optional<std::string>> read(const std::string& path) override {
    os::UniqueFd file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file && errno == ENOENT) return std::nullopt;
    if (!file) return os::fail_errno("cannot open " + path, errno);
    struct stat info{};
    if (fstat(file.get(), &info) != 0) return os::fail_errno("cannot read " + path, errno);
    if (!S_ISREG(info.st_mode)) return fail(ErrorCode::failed, path + " is no regular file");
    std::string text;
    std::array<char, 65'536> part{};
    while (true) {
      const ssize_t got = ::read(file.get(), part.data(), part.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os::fail_errno("cannot read " + path, errno);
      if (got == 0) return text;
      text.append(part.data(), static_cast<std::size_t>(got));
      if (text.size() > kMost) return fail(ErrorCode::failed, path + " is too large");
    }
  }

  Status replace(const std::string& path, std::string_view text) override {
    const std::string beside = temporary_beside(path);
    unlink(beside.c_str());  // what a crash has left
    os::UniqueFd file(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
    if (!file) return os::fail_errno("cannot make " + beside, errno);
    int error = os::write_all(file.get(), text);
    if (error == 0 && fchmod(file.get(), kMode) != 0) error = errno;
    if (error == 0 && fsync(file.get()) != 0) error = errno;
    if (error == 0 && rename(beside.c_str(), path.c_str()) != 0) error = errno;
    if (error == 0) return keep_directory(path);
    unlink(beside.c_str());
    return os::fail_errno("cannot write " + path, error);
  }

  Status remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0) return keep_directory(path);
    if (errno == ENOENT) return {};
    return os::fail_errno("cannot remove " + path, errno);
  }

  Status append(const std::string& path, std::string_view text) override {
    os::UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kMode));
    if (!file) return os::fail_errno("cannot open " + path, errno);
    int error = os::write_all(file.get(), text);
    if (error == 0 && fsync(file.get()) != 0) error = errno;
    if (error != 0) return os::fail_errno("cannot write " + path, error);
    return keep_directory(path);
  }
};

}  // namespace

std::unique_ptr<Files> real_files() {
  return std::make_unique<RealFiles>();
}

std::string temporary_beside(const std::string& path) {
  const std::string directory = directory_of(path);
  return fmt::format("{}.{}.new", directory, path.substr(directory == "." ? 0 : directory.size()));
}

Result<OneAtATime> OneAtATime::take(const std::string& directory) {
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return os::fail_errno("cannot make the directory " + directory, errno);
  const std::string path = directory + "/lock";
  os::UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kMode));
  if (!file) return os::fail_errno("cannot open " + path, errno);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(ErrorCode::failed, "another tcpadvisor is changing settings right now: try again when it has ended");
    return os::fail_errno("cannot lock " + path, errno);
  }
  return OneAtATime(std::move(file));
}

}  // namespace tcpadvisor::apply
