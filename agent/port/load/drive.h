// SPDX-License-Identifier: Apache-2.0
// Load through the port driver: many ports, several producers on each. The reader is elsewhere (`port serve`), or a
// thread of our own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "advisor/base/result.h"
#include "agent/os/signals.h"
#include "agent/port/load/balance.h"
#include "agent/port/load/server.h"
#include "agent/port/load/share.h"

namespace tcpadvisor::port::load {

struct LoadOptions : ShareOptions {
  std::uint32_t ports = 1;
  std::uint32_t threads = 1;  ///< that share the ports among them
  bool unix_sockets = false;
  std::optional<std::uint16_t> connect;  ///< a port of 127.0.0.1; nothing: a reader of our own
  ServerOptions reader;                  ///< our own; its `message` is ours to set
};

struct LoadResult : ShareResult {
  std::optional<ServerTotals> reader;  ///< our own
  std::uint64_t memory_per_port = 0;   ///< bytes of this process that opening one port took; 0: not known
  Balance balance;
};

/// `progress` is called once a second with the messages sent so far; `far` for up to 1,024 ports at the end. Ends
/// within a second of a signal, and of `length`.
Result<LoadResult> drive(const LoadOptions& options, os::StopSignals& signals,
                         const std::function<void(double seconds, std::uint64_t sent)>& progress, const FarQueue& far);

}  // namespace tcpadvisor::port::load
