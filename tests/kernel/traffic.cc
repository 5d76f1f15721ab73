// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/traffic.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tcpadvisor::traffic {
namespace {

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

int checked(int result, const char* what) {
  if (result < 0) die(what);
  return result;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

bool enter_own_namespace(std::string& why_not) {
  if (unshare(CLONE_NEWNET) != 0) {
    why_not = std::string("needs root for a network namespace of its own: ") + std::strerror(errno);
    return false;
  }
  os::UniqueFd fd(checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  checked(ioctl(fd.get(), SIOCSIFFLAGS, &request), "lo up");
  return true;
}

bool spread_receive_work(std::string& why_not) {
  auto failed = [&why_not](const char* what) {
    why_not = std::string(what) + ": " + std::strerror(errno);
    return false;
  };
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
    why_not = "needs two processors";
    return false;
  }
  if (unshare(CLONE_NEWNS) != 0) return failed("a mount namespace");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("private mounts");
  if (mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) return failed("mounting /sys");
  os::UniqueFd steering(open("/sys/class/net/lo/queues/rx-0/rps_cpus", O_WRONLY | O_CLOEXEC));
  if (!steering) return failed("rps_cpus of lo");
  if (write(steering.get(), "3", 1) != 1) return failed("rps_cpus of lo");
  return true;
}

Listener listen_on_loopback(int backlog, int rcvbuf) {
  Listener result;
  result.fd.reset(checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  if (rcvbuf > 0) checked(setsockopt(result.fd.get(), SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf), "SO_RCVBUF");
  sockaddr_in address = loopback(0);
  checked(bind(result.fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  checked(listen(result.fd.get(), backlog), "listen");
  result.port = local_port(result.fd.get());
  return result;
}

os::UniqueFd connect_to(std::uint16_t port) {
  os::UniqueFd fd(checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address = loopback(port);
  checked(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
  return fd;
}

os::UniqueFd accept_from(const Listener& listener) {
  return os::UniqueFd(checked(accept4(listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept"));
}

Pair make_pair(const Listener& listener) {
  Pair pair;
  pair.client = connect_to(listener.port);
  pair.server = accept_from(listener);
  return pair;
}

void send_exactly(int fd, std::size_t bytes) {
  std::vector<char> data(bytes, 'x');
  if (send(fd, data.data(), bytes, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes)) die("send");
}

std::size_t receive_once(int fd, std::size_t at_most) {
  std::vector<char> data(at_most);
  return static_cast<std::size_t>(checked(static_cast<int>(recv(fd, data.data(), at_most, 0)), "recv"));
}

void receive_exactly(int fd, std::size_t bytes) {
  while (bytes > 0) {
    std::size_t got = receive_once(fd, bytes);
    if (got == 0) die("early end");
    bytes -= got;
  }
}

void set_nonblocking(int fd) {
  checked(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), "O_NONBLOCK");
}

std::uint16_t local_port(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  checked(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

}  // namespace tcpadvisor::traffic
