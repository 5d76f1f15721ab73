// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "tests/scenario/actor.h"
#include "tests/scenario/netns.h"

namespace tcpfault {

int open_tun(int netns_fd, const char* device, const char* address, int mtu_bytes) {
  join_netns(netns_fd);
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    throw Skip(std::string("cannot make a path of its own without /dev/net/tun: ") + std::strerror(errno));
  }
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  check(ioctl(fd, TUNSETIFF, &request), "make a TUN device");
  set_mtu(device, mtu_bytes);
  bring_up(device, address, kSmallNet);
  return fd;
}

}  // namespace tcpfault
