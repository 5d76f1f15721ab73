// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "advisor/base/text.h"
#include "agent/os/unique_fd.h"
#include "agent/os/write.h"

namespace tcpadvisor::cli {
namespace {

std::unexpected<Error> cannot_write(const std::string& path, int error) {
  return fail(ErrorCode::failed, fmt::format("cannot write {}: {}", printable(path), std::strerror(error)), error);
}

Status write_directly(const std::string& path, std::string_view text, os::StopSignals* signals) {
  // A plain open() of a pipe waits for its reader, where no signal reaches us.
  int flags = O_WRONLY | O_CLOEXEC | (signals != nullptr ? O_NONBLOCK : 0);
  os::UniqueFd file(open(path.c_str(), flags));
  while (!file && errno == ENXIO && signals != nullptr) {
    if (signals->wait(std::chrono::milliseconds(100)) != 0) return {};
    file.reset(open(path.c_str(), flags));
  }
  if (!file) return cannot_write(path, errno);
  if (int error = os::write_all(file.get(), text, signals); error != 0) return cannot_write(path, error);
  return {};
}

/// What open(O_CREAT, 0666) would give; mkstemp() gives 0600.
mode_t mode_of_new_files() {
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

bool is_terminal(int fd) {
  return isatty(fd) == 1;
}

bool wants_color(Color color, int fd) {
  if (color != Color::automatic) return color == Color::always;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  bool refused = (no_color != nullptr && *no_color != '\0') || term == nullptr || std::strcmp(term, "dumb") == 0;
  return is_terminal(fd) && !refused;
}

std::size_t text_width() {
  constexpr std::size_t kLeast = 40, kMost = 1000;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= kLeast) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  Result<std::uint64_t> wanted = parse_u64(columns != nullptr ? columns : "");
  return wanted && *wanted >= kLeast && *wanted <= kMost ? static_cast<std::size_t>(*wanted) : 80;
}

Status write_file(const std::string& path, std::string_view text, os::StopSignals* signals) {
  struct stat there{};
  bool exists = stat(path.c_str(), &there) == 0;
  if (exists && !S_ISREG(there.st_mode)) return write_directly(path, text, signals);

  std::string temporary = path + ".XXXXXX";
  os::UniqueFd file(mkostemp(temporary.data(), O_CLOEXEC));
  if (!file) return cannot_write(path, errno);
  int error = os::write_all(file.get(), text);
  if (error == 0 && fchmod(file.get(), exists ? there.st_mode & 07777 : mode_of_new_files()) != 0) error = errno;
  if (error == 0 && fsync(file.get()) != 0) error = errno;
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return {};
  unlink(temporary.c_str());
  return cannot_write(path, error);
}

std::string place_of_writing(const std::string& path) {
  struct stat there{};
  if (stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) return path;
  std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

bool needs_privileges_to_write(const std::string& path) {
  struct stat there{};
  return geteuid() == 0 && stat(place_of_writing(path).c_str(), &there) == 0 && there.st_uid != 0;
}

Status write_stdout(std::string_view text, os::StopSignals* signals) {
  if (int error = os::write_all(STDOUT_FILENO, text, signals); error != 0) return cannot_write("stdout", error);
  return {};
}

void print_error(const Error& error) {
  fmt::print(stderr, "tcpadvisor: {}\n", error.message);
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::bad_input:
    case ErrorCode::not_found:
      return 2;
    case ErrorCode::denied:
    case ErrorCode::unsupported:
      return 4;
    case ErrorCode::failed:
      break;
  }
  return 1;
}

int failed(const Error& error) {
  print_error(error);
  return exit_code_of(error);
}

}  // namespace tcpadvisor::cli
