// SPDX-License-Identifier: Apache-2.0
// What both sockets for queues need of unix(7): addresses, and who sent something.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <string>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor::sources {

Result<sockaddr_un> unix_address(const std::string& path);
inline const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Room for who sent a message. Descriptors that somebody sends along find none and are closed by the kernel.
struct alignas(cmsghdr) SenderRoom : std::array<char, CMSG_SPACE(sizeof(ucred))> {};
/// The process that sent what `header` received, as the kernel says; 0 if it is not visible here.
Pid sender_of(msghdr& header);

}  // namespace tcpadvisor::sources
