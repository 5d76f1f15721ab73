// SPDX-License-Identifier: Apache-2.0
// What one thread of a load drives: its sockets, the ports on them, and the loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/os/unique_fd.h"
#include "agent/port/load/balance.h"
#include "agent/port/load/senders.h"
#include "agent/port/publish.h"
#include "agent/port/reactor.h"
#include "agent/port/socket_transport.h"

namespace tcpadvisor::port::load {

struct ShareOptions : SenderOptions {
  std::uint64_t rate = 0;                   ///< messages a second in all; 0: as many as go
  std::chrono::milliseconds length{5'000};  ///< of the sending
  bool idle = false;                        ///< only open the ports and stay
  bool publishes = true;                    ///< tells agents about the queues
};

/// Ports that took no more bytes before the end.
struct EndedPorts {
  std::uint64_t by_peer = 0, by_timeout = 0;  ///< send_timeout_close
  Time first = Time::max(), last{};           ///< since the start of the sending

  std::uint64_t count() const { return by_peer + by_timeout; }
  void add(const EndedPorts& more);
};

struct ShareResult : SenderTotals {
  double seconds = 0;  ///< of the sending: until the last port ended, if all of them did
  std::uint64_t write_calls = 0;
  double cpu_seconds = 0;  ///< of the threads that send, while they send
  EndedPorts ended;

  void add(const ShareResult& more);
};

class Share {
 public:
  Share(const ShareOptions& options, std::unique_ptr<Reactor> reactor, std::vector<os::UniqueFd> sockets);

  /// `stops` is asked in each turn; `stop_fd` (-1: none) becomes readable when it may have changed. `progress` is
  /// called once a second.
  ShareResult run(const std::function<bool()>& stops, int stop_fd,
                  const std::function<void(double seconds, std::uint64_t sent)>& progress);
  /// After run().
  Balance balance(const FarQueue& far) const;

 private:
  void look_for_hang_ups();
  EndedPorts ended_since(Time began) const;

  const ShareOptions options_;
  std::unique_ptr<Reactor> reactor_;
  Senders senders_;
  std::vector<SocketTransport*> sockets_;  ///< of the ports, by their number
  std::optional<Publisher> publisher_;
  std::unordered_map<std::size_t, Publisher::Id> published_;
};

}  // namespace tcpadvisor::port::load
