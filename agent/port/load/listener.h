// SPDX-License-Identifier: Apache-2.0
// Accepts connections for a server, on its loop.
#pragma once

#include "agent/os/unique_fd.h"
#include "agent/port/load/server.h"
#include "agent/port/reactor.h"

namespace tcpadvisor::port::load {

class Listener {
 public:
  /// `socket` listens and does not block. Both others must live longer.
  Listener(Reactor& reactor, Server& server, os::UniqueFd socket);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  void accept_some();

  Reactor& reactor_;
  Server& server_;
  os::UniqueFd socket_;
  Reactor::Watch watch_;
  TimerId pause_ = 0;
};

}  // namespace tcpadvisor::port::load
