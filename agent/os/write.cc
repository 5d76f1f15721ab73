// SPDX-License-Identifier: Apache-2.0
#include "agent/os/write.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace tcpadvisor::os {
namespace {

/// False when a signal came first.
bool wait_for_room(int fd, StopSignals* signals) {
  std::array<pollfd, 2> either = {{{fd, POLLOUT, 0}, {signals != nullptr ? signals->fd() : -1, POLLIN, 0}}};
  while (poll(either.data(), either.size(), -1) < 0 && errno == EINTR) {
  }
  return either[1].revents == 0;
}

}  // namespace

int write_all(int fd, std::string_view text, StopSignals* signals) {
  while (!text.empty()) {
    if (!wait_for_room(fd, signals)) return 0;
    // A pipe with room takes so much at once (pipe(7)); more could wait inside write(), where no signal reaches us.
    ssize_t written = write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace tcpadvisor::os
