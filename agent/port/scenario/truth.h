// SPDX-License-Identifier: Apache-2.0
// The ground truth of a scenario at one moment: where each byte is, who waits, and what was promised. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/port/scenario/peer.h"

namespace tcpadvisor::port::scenario {

/// One connection, from the senders to the peer. Bytes and calls.
struct ConnectionTruth {
  std::string name;
  std::string local, remote;  ///< of the driver's end, as ss shows them

  // In the program: a port's queues, or those of a distribution channel.
  std::uint64_t message_queue = 0;  ///< scheduled commands; 0 for a channel
  std::uint64_t channel_queue = 0;  ///< 0 for a port
  std::uint64_t driver_queue = 0;
  std::uint64_t dropped = 0;
  std::uint64_t taken = 0;  ///< accepted from callers so far: what all places must add up to
  std::uint64_t high = 0, low = 0, message_high = 0, message_low = 0;
  bool busy = false, message_busy = false, pending_shutdown = false, limbo = false, open = true;
  std::uint32_t waiting = 0, suspended = 0, scheduled = 0;
  std::uint64_t waited_ms = 0, refused = 0, bypassed = 0;
  std::uint64_t write_calls = 0;

  // In the kernel, by sock_diag; nothing when there is no such socket (any more).
  std::optional<SocketRow> near, far;
  PeerSocket peer;

  std::uint64_t send_q() const { return near ? near->send_q : 0; }
  std::uint64_t recv_q() const { return far ? far->recv_q : 0; }
  /// Bytes in the places that we know.
  std::uint64_t placed() const {
    return message_queue + channel_queue + driver_queue + send_q() + recv_q() + peer.read + dropped;
  }
  /// What is in none: on the wire at this moment, or gone with a connection that was reset.
  std::int64_t elsewhere() const { return static_cast<std::int64_t>(taken) - static_cast<std::int64_t>(placed()); }
};

struct Truth {
  double seconds = 0;  ///< since the first call
  std::vector<ConnectionTruth> connections;
};

/// One line for each connection; many that are alike become one line with their sums.
std::vector<std::string> truth_lines(const Truth& truth);
nlohmann::json truth_json(const Truth& truth);

}  // namespace tcpadvisor::port::scenario
