// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>

namespace tcpfault {
namespace {

sockaddr_in address_of(const char* text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
    throw std::runtime_error(std::string("not an IPv4 address: ") + text);
  }
  return address;
}

}  // namespace

void set_option(int fd, int level, int option, int value, const char* what) {
  check(setsockopt(fd, level, option, &value, sizeof value), what);
}

Listening listen_on(const ListenOptions& options) {
  const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
  if (options.reuseport) {
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
  }
  if (options.rcvbuf_bytes > 0) {
    set_option(fd, SOL_SOCKET, SO_RCVBUF, options.rcvbuf_bytes, "SO_RCVBUF");
  }
  sockaddr_in address = address_of(options.address, options.port);
  check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  check(listen(fd, options.backlog), "listen");
  socklen_t size = sizeof address;
  check(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return {fd, ntohs(address.sin_port)};
}

int accept_one(int listener) {
  return check(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept");
}

int connect_to(std::uint16_t port, const char* address) {
  const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_in to = address_of(address, port);
  check(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
  return fd;
}

int start_connect(std::uint16_t port) {
  const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
  const sockaddr_in to = address_of(kLoopback, port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 && errno != EINPROGRESS) {
    fail_errno("connect");
  }
  return fd;
}

void set_congestion_control(int fd, const std::string& name) {
  check(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.c_str(), static_cast<socklen_t>(name.size())),
        "TCP_CONGESTION");
}

int tcp_state(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  check(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), "TCP_INFO");
  return info.tcpi_state;
}

bool all_in_state(const std::vector<int>& fds, int state) {
  return std::ranges::all_of(fds, [state](int fd) { return tcp_state(fd) == state; });
}

int count_in_state(std::uint16_t port, int state) {
  std::ifstream table("/proc/self/net/tcp");
  int count = 0;
  for (std::string line; std::getline(table, line);) {
    unsigned local_port = 0;
    unsigned line_state = 0;
    if (std::sscanf(line.c_str(), " %*d: %*8x:%x %*8x:%*x %x", &local_port, &line_state) == 2 && local_port == port &&
        line_state == static_cast<unsigned>(state)) {
      ++count;
    }
  }
  return count;
}

void need_descriptors(std::size_t needed) {
  rlimit limit{};
  check(getrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
  limit.rlim_cur = limit.rlim_max;
  check(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
  if (limit.rlim_max < needed) {
    throw Skip("needs " + std::to_string(needed) + " descriptors a process, the limit is " +
               std::to_string(limit.rlim_max));
  }
}

void read_all(int fd) {
  std::vector<char> buffer(256 * 1024);
  while (read(fd, buffer.data(), buffer.size()) > 0) {
  }
}

bool read_exactly(int fd, std::size_t size) {
  std::vector<char> buffer(size);
  return recv(fd, buffer.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

void write_exactly(int fd, std::size_t size) {
  const std::vector<char> bytes(size, 'x');
  check(static_cast<int>(send(fd, bytes.data(), size, MSG_NOSIGNAL)), "send");
}

void write_for_ever(int fd) {
  const std::vector<char> buffer(64 * 1024, 'x');
  while (send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) > 0) {
  }
}

}  // namespace tcpfault
