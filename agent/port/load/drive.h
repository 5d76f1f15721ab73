// SPDX-License-Identifier: Apache-2.0
// Load through the port driver: many ports, several producers on each, each of which sends again when its last call has
// returned. The reader is elsewhere (`port serve`), or a thread of our own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "advisor/base/result.h"
#include "agent/os/signals.h"
#include "agent/port/load/latencies.h"
#include "agent/port/load/server.h"
#include "agent/port/options.h"
#include "agent/port/words.h"

namespace tcpadvisor::port::load {

struct LoadOptions {
  std::uint32_t ports = 1, producers = 1;   ///< producers: on each port
  std::uint32_t threads = 1;                ///< that share the ports among them
  std::uint64_t size = 100;                 ///< bytes of a message, at least 8
  std::uint64_t rate = 0;                   ///< messages a second in all; 0: as many as go
  std::chrono::milliseconds length{5'000};  ///< of the sending
  bool idle = false;                        ///< only open the ports and stay
  bool unix_sockets = false;
  std::optional<std::uint16_t> connect;  ///< a port of 127.0.0.1; nothing: a reader of our own
  SendKind kind = SendKind::send;
  bool nosuspend = false;
  Options port;
  ServerOptions reader;  ///< our own; its `message` is ours to set
};

struct LoadResult {
  double seconds = 0;      ///< of the sending
  std::uint64_t sent = 0;  ///< calls that returned ok or true
  std::uint64_t refused = 0, timeouts = 0, errors = 0;
  std::uint64_t suspensions = 0;  ///< busy_port events
  std::uint64_t waits = 0;        ///< calls that did not return at once
  std::uint64_t write_calls = 0;
  double cpu_seconds = 0;              ///< of the threads that send, while they send
  Latencies send;                      ///< from the call to its return
  std::optional<ServerTotals> reader;  ///< our own
  std::uint64_t memory_per_port = 0;   ///< bytes of this process that opening one port took; 0: not known
};

/// `progress` is called once a second with the messages sent so far.
Result<LoadResult> drive(const LoadOptions& options, os::StopSignals& signals,
                         const std::function<void(double seconds, std::uint64_t sent)>& progress);

}  // namespace tcpadvisor::port::load
