// SPDX-License-Identifier: Apache-2.0
// The HTTP server of `tcpadvisor serve`: evhttp on a listening socket of ours. It reads published observations and
// nothing else, in the thread that calls run().
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "advisor/base/result.h"
#include "agent/observe/subscription.h"
#include "agent/os/clock.h"
#include "agent/os/unique_fd.h"
#include "agent/serve/access.h"

namespace tcpadvisor::serve {

struct ServerOptions {
  os::UniqueFd listening;
  AccessPtr access;  ///< null: plain HTTP for everybody
  std::string version;
  std::chrono::milliseconds interval{1'000};      ///< of ticks
  std::chrono::milliseconds stale_after{10'000};  ///< without a tick for so long it is not healthy
  std::chrono::milliseconds patience{5'000};  ///< with a request that does not come to its end, or a reader that rests
  std::size_t most_connections = 256, most_streams = 32;
  std::size_t most_header_bytes = 8 << 10, most_body_bytes = 64 << 10;
};

class Server {
 public:
  /// `clock` outlives it.
  static Result<std::unique_ptr<Server>> open(ServerOptions options,
                                              std::shared_ptr<observe::Subscription> observations, os::Clock& clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Until drain() is done.
  void run();
  /// From any thread: takes no more connections, answers what was asked, for at most two seconds, and ends run().
  void drain();
  /// From any thread: connections and requests from now on. Never null.
  void admit_by(AccessPtr access);
  /// From any thread; for the metrics.
  void tell_reload(bool accepted);
  /// Grows four times a second while the loop turns. From any thread.
  std::uint64_t beats() const;

 private:
  class Loop;
  explicit Server(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace tcpadvisor::serve
