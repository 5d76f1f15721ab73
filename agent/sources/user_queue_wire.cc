// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/user_queue_wire.h"

#include <fmt/format.h>

#include <cstring>

namespace tcpadvisor::sources {

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: the name of a socket has at most {} bytes", path, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Pid sender_of(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS) continue;
    ucred sender{};
    std::memcpy(&sender, CMSG_DATA(part), sizeof sender);
    return static_cast<Pid>(sender.pid);
  }
  return 0;
}

}  // namespace tcpadvisor::sources
