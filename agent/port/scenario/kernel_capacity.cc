// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/kernel_capacity.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "agent/os/proc_root.h"

namespace tcpadvisor::port::scenario {
namespace {

constexpr std::uint64_t kMaxSends = 1'000'000;
constexpr int kStaysFullMs = 1'000;

int buffer_of(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  (void)getsockopt(fd, SOL_SOCKET, option, &value, &length);
  return value;
}

}  // namespace

Result<KernelCapacity> probe_capacity(const SocketWishes& near, const SocketWishes& far, bool unix_sockets,
                                      std::size_t send_bytes, int stop_fd) {
  auto pair = unix_sockets ? unix_pair(near, far) : tcp_pair(near, far);
  if (!pair) return std::unexpected(pair.error());
  int fd = pair->near.get();
  KernelCapacity found{0, buffer_of(fd, SO_SNDBUF), buffer_of(pair->far.get(), SO_RCVBUF)};
  const std::string data(send_bytes, 'x');
  while (found.sends < kMaxSends) {
    ssize_t put = ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put == static_cast<ssize_t>(data.size())) {
      ++found.sends;
      continue;
    }
    if (put < 0 && errno != EAGAIN) return os::fail_errno("cannot fill a socket", errno);
    std::array<pollfd, 2> waiting{{{fd, POLLOUT, 0}, {stop_fd, POLLIN, 0}}};
    if (put > 0 || poll(waiting.data(), waiting.size(), kStaysFullMs) <= 0 || waiting[0].revents == 0) break;
  }
  return found;
}

std::uint64_t sends_that_return(std::uint64_t capacity, std::uint64_t high, std::uint64_t send_bytes) {
  std::uint64_t to_the_mark = (high + send_bytes - 1) / send_bytes;
  return capacity + std::max<std::uint64_t>(1, to_the_mark > 0 ? to_the_mark - 1 : 0);
}

}  // namespace tcpadvisor::port::scenario
