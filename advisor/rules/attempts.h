// SPDX-License-Identifier: Apache-2.0
// Attempts to connect that failed or do not come about, by program and destination: what the rule about them judges.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "advisor/evidence/window.h"

namespace tcpadvisor {

struct Attempts {
  NetnsId netns = 0;
  std::vector<Pid> pids;  ///< processes of this name, sorted; a script starts one for each attempt. Empty if not known
  std::string comm;
  Endpoint destination;
  std::array<std::uint64_t, 6> failed{};     ///< by ConnectEnd
  std::array<std::uint64_t, 6> waited_ms{};  ///< how long the last of each had waited
  std::uint64_t waiting = 0;                 ///< in SYN_SENT now, for longer than asked for
  std::uint64_t oldest_ms = 0;               ///< of those
  const SocketRow* listener = nullptr;       ///< of this host, at the destination; null if none is visible

  std::uint64_t failures() const;
  ConnectEnd main_end() const;  ///< how most of them ended; `timed_out` where they only wait
  bool listener_is_full() const;
  std::string who() const;  ///< "curl[42]", "curl (7 processes)", "a process that we cannot see"
};

/// All of the latest sample; SYN_SENT counts as waiting from `waits_ms` on. Attempts that the program gave up within
/// `cancelled_ms` are none that failed: it took another way.
std::vector<Attempts> attempts_of(const Window& window, std::uint64_t waits_ms, std::uint64_t cancelled_ms);

/// The listening socket of this host that takes connections to `destination` from `netns`: of that namespace, else of
/// the only other one where somebody listens at this very address. Loopback never leaves its namespace.
const SocketRow* listener_at(const Connections& connections, NetnsId netns, const Endpoint& destination);

}  // namespace tcpadvisor
