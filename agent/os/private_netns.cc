// SPDX-License-Identifier: Apache-2.0
#include "agent/os/private_netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "agent/os/proc_root.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::os {
namespace {

Status write_own(const char* path, std::string_view text) {
  UniqueFd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return fail_errno(fmt::format("cannot write {}", path), errno);
  }
  return {};
}

/// Everybody else's ids stay unmapped: files of theirs show as nobody's, which is all the same to a network.
Status keep_own_ids(uid_t uid, gid_t gid) {
  if (Status status = write_own("/proc/self/setgroups", "deny"); !status) return status;
  if (Status status = write_own("/proc/self/uid_map", fmt::format("{0} {0} 1", uid)); !status) return status;
  return write_own("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
}

Status loopback_up() {
  UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  if (!socket || ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return fail_errno("cannot read lo's flags", errno);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail_errno("cannot bring lo up", errno);
  return {};
}

}  // namespace

Status enter_private_netns() {
  if (unshare(CLONE_NEWNET) == 0) return loopback_up();
  uid_t uid = geteuid();
  gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return fail(ErrorCode::denied, fmt::format("cannot make a network namespace: {}", std::strerror(errno)), errno);
  }
  if (Status status = keep_own_ids(uid, gid); !status) return status;
  return loopback_up();
}

}  // namespace tcpadvisor::os
