// SPDX-License-Identifier: Apache-2.0
// The other side of a load: takes what comes, or sends it back, as fast or as slowly as it is told, and may stall or
// end connections. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/os/unique_fd.h"
#include "agent/port/load/latencies.h"
#include "agent/port/reactor.h"
#include "agent/port/socket_transport.h"

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
  Server(Reactor& reactor, const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Accepts from a non-blocking listener.
  void listen(os::UniqueFd listener);
  /// Serves a connected, non-blocking socket.
  void add(os::UniqueFd socket);
  const ServerTotals& totals() const { return totals_; }

 private:
  struct Connection;
  void accept_all();
  void ready(Connection& connection);
  void read_some(Connection& connection, std::uint64_t most);
  void look_for_stamps(Connection& connection, std::size_t bytes);
  void send_back(Connection& connection, std::size_t bytes);
  void refill(Connection& connection);
  void end(Connection& connection, bool reset);

  Reactor& reactor_;
  ServerOptions options_;
  ServerTotals totals_;
  os::UniqueFd listener_;
  std::unique_ptr<Reactor::Watch> accepting_;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::vector<char> buffer_ = std::vector<char>(256 << 10);
};

/// CLOCK_MONOTONIC, which all processes of a host share.
std::uint64_t stamp_now();

}  // namespace tcpadvisor::port::load
