// SPDX-License-Identifier: Apache-2.0
// The other side of a load: takes what comes, or sends it back, as fast or as slowly as it is told, and may stall or
// end connections. Knows no sockets, only transports and timers. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/port/load/latencies.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port::load {

/// For each connection; bytes. 0: never, or without limit.
struct ServerOptions {
  bool echo = false;
  std::uint64_t rate = 0;             ///< bytes a second
  std::chrono::milliseconds rest{0};  ///< after each read: fewer wakeups, larger reads
  std::uint64_t stall_after = 0, close_after = 0;
  bool reset = false;         ///< close with RST
  std::uint64_t message = 0;  ///< length of the messages of `port drive`, whose first 8 bytes are a time stamp
};

struct ServerTotals {
  std::uint64_t accepted = 0, open = 0, bytes = 0, messages = 0;
  Latencies delivery;  ///< from the call of send() to the read here; with `message` only
};

class Server {
 public:
  /// The most that is read at once, and so the most that is kept for a peer that does not read its echo.
  static constexpr std::size_t kBuffer = 256 << 10;

  Server(Timers& timers, const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves a connection until it ends.
  void add(std::unique_ptr<Transport> transport);
  const ServerTotals& totals() const { return totals_; }

 private:
  class Connection;
  void end(Connection& connection, bool reset);

  Timers& timers_;
  const ServerOptions options_;
  ServerTotals totals_;
  std::unordered_map<const Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<char> buffer_ = std::vector<char>(kBuffer);
};

/// CLOCK_MONOTONIC in ns, which all processes of a host share.
std::uint64_t stamp_now();

}  // namespace tcpadvisor::port::load
