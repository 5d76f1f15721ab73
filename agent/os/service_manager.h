// SPDX-License-Identifier: Apache-2.0
// What systemd wants to hear (sd_notify(3)), as datagrams to the socket that NOTIFY_SOCKET names; no library needed.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::os {

class ServiceManager {
 public:
  /// By NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Without them, or where the socket cannot be used, say() does
  /// nothing.
  static ServiceManager from_environment();

  /// "READY=1", "STATUS=…", several with a newline between. Never waits; what the manager does not take is lost.
  void say(std::string_view words) const;
  /// Without WATCHDOG=1 for so long it restarts us; nothing: it does not watch.
  std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

 private:
  UniqueFd socket_;  ///< connected, or none
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace tcpadvisor::os
