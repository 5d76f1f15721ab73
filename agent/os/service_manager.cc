// SPDX-License-Identifier: Apache-2.0
#include "agent/os/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "advisor/base/text.h"

namespace tcpadvisor::os {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

UniqueFd socket_at(const std::string& path) {
  sockaddr_un address{};
  const bool known = path.starts_with('/') || path.starts_with('@');
  if (!known || path.size() >= sizeof address.sun_path) return {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.starts_with('@')) address.sun_path[0] = '\0';  // an abstract one
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return {};
  return fd;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager manager;
  manager.socket_ = socket_at(environment("NOTIFY_SOCKET"));
  const std::string pid = environment("WATCHDOG_PID");
  const bool is_for_us = pid.empty() || pid == std::to_string(getpid());
  auto usec = parse_u64(environment("WATCHDOG_USEC"));
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (manager.socket_ && is_for_us && usec && *usec > 0 && *usec <= kMost)
    manager.watchdog_ = std::chrono::microseconds(static_cast<std::int64_t>(*usec));
  return manager;
}

void ServiceManager::say(std::string_view words) const {
  if (socket_) (void)send(socket_.get(), words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace tcpadvisor::os
