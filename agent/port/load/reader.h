// SPDX-License-Identifier: Apache-2.0
// A server on a thread of its own: the far side of a load that has no other.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"
#include "agent/port/load/listener.h"
#include "agent/port/load/server.h"
#include "agent/port/reactor.h"

namespace tcpadvisor::port::load {

class Reader {
 public:
  /// Serves these connected, non-blocking sockets, and with `listens` whoever connects to port().
  static Result<std::unique_ptr<Reader>> start(const ServerOptions& options, std::vector<os::UniqueFd> sockets,
                                               bool listens);
  ~Reader();

  std::uint16_t port() const { return port_; }
  /// Stops it; afterwards the totals stand still. What it keeps in its sockets stays there.
  const ServerTotals& stop();
  /// After stop(): why it ended by itself.
  const std::optional<std::string>& failure() const { return failure_; }

 private:
  Reader(std::unique_ptr<Reactor> reactor, const ServerOptions& options)
      : reactor_(std::move(reactor)), server_(*reactor_, options) {}
  void serve();

  std::unique_ptr<Reactor> reactor_;
  Server server_;
  std::optional<Listener> listener_;
  std::uint16_t port_ = 0;
  std::optional<std::string> failure_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace tcpadvisor::port::load
