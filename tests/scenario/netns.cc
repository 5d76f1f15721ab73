// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "tests/scenario/actor.h"

namespace tcpfault {

void enter_new_netns() {
  if (unshare(CLONE_NEWNET) < 0) {
    throw Skip(std::string("cannot make a network namespace: ") + std::strerror(errno) + " (needs CAP_SYS_ADMIN)");
  }
  bring_up("lo");
}

int this_netns() {
  return check(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "open our network namespace");
}

std::uint64_t netns_inode(int netns_fd) {
  struct stat status{};
  check(fstat(netns_fd, &status), "stat a network namespace");
  return status.st_ino;
}

void join_netns(int netns_fd) {
  check(setns(netns_fd, CLONE_NEWNET), "join a network namespace");
}

void bring_up(const std::string& interface, const std::string& address, const std::string& netmask) {
  const int fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  const auto set_address = [&](unsigned long command, const std::string& text) {
    sockaddr_in value{};
    value.sin_family = AF_INET;
    inet_pton(AF_INET, text.c_str(), &value.sin_addr);
    std::memcpy(&request.ifr_addr, &value, sizeof value);
    check(ioctl(fd, command, &request), "set an interface address");
  };
  if (!address.empty()) {
    set_address(SIOCSIFADDR, address);
    set_address(SIOCSIFNETMASK, netmask);
  }
  check(ioctl(fd, SIOCGIFFLAGS, &request), "read interface flags");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  check(ioctl(fd, SIOCSIFFLAGS, &request), "bring an interface up");
  close(fd);
}

void set_mtu(const std::string& interface, int bytes) {
  const int fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  request.ifr_mtu = bytes;
  check(ioctl(fd, SIOCSIFMTU, &request), "set an interface's MTU");
  close(fd);
}

void set_sysctl(const std::string& path, const std::string& value) {
  std::ofstream file("/proc/sys/" + path);
  if (!(file << value << std::flush)) {
    throw Skip("cannot write /proc/sys/" + path);
  }
}

std::string get_sysctl(const std::string& path) {
  std::ifstream file("/proc/sys/" + path);
  std::string value;
  std::getline(file, value);
  return value;
}

}  // namespace tcpfault
