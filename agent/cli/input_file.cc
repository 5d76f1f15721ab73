// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "advisor/base/text.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::cli {
namespace {

std::unexpected<Error> cannot_read(const std::string& name, int error) {
  return fail(ErrorCode::bad_input, fmt::format("cannot read {}: {}", name, std::strerror(error)), error);
}

std::unexpected<Error> too_large(const std::string& name, std::size_t most) {
  return fail(ErrorCode::bad_input, fmt::format("{} is larger than {}", name, human_bytes(most)));
}

}  // namespace

Result<std::string> read_input_file(const std::string& path, std::size_t most) {
  errno = 0;
  std::ifstream file(path);
  std::string text;
  std::array<char, 64 << 10> part{};
  while (file && text.size() <= most) {
    file.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    return cannot_read(printable(path), errno != 0 ? errno : EIO);
  }
  if (text.size() > most) return too_large(printable(path), most);
  return text;
}

Result<std::string> read_input_until(const std::string& path, const StopAsked& stop) {
  constexpr int kAskEveryMs = 100;
  const bool standard = path == "-";
  const std::string name = standard ? "standard input" : printable(path);
  // Opening a FIFO waits for who writes to it, unless it is told not to.
  os::UniqueFd file(standard ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file) return cannot_read(name, errno);
  std::string text(kMostInput + 1, '\0');
  for (std::size_t size = 0; size < text.size();) {
    if (auto why = stop()) return fail(why->code, fmt::format("{} was not read to its end: {}", name, why->message));
    pollfd waiting{file.get(), POLLIN, 0};
    if (poll(&waiting, 1, kAskEveryMs) <= 0) continue;
    ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno != EINTR && errno != EAGAIN) return cannot_read(name, errno);
    if (got == 0) {
      text.resize(size);
      return text;
    }
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  return too_large(name, kMostInput);
}

}  // namespace tcpadvisor::cli
