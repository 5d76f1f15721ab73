// SPDX-License-Identifier: Apache-2.0
// The sending side of a load: ports, and producers on each of them that send again when their last call has returned.
// Knows no sockets, only transports and timers. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/port/load/latencies.h"
#include "agent/port/options.h"
#include "agent/port/port.h"
#include "agent/port/terms.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port::load {

struct SenderOptions {
  std::uint32_t producers = 1;  ///< on each port
  std::uint64_t size = 100;     ///< bytes of a message, at least 8: it begins with a time stamp
  SendKind kind = SendKind::send;
  bool nosuspend = false;
  Options port{};
};

struct SenderTotals {
  std::uint64_t calls = 0;
  std::uint64_t sent = 0;  ///< calls that returned ok or true
  std::uint64_t refused = 0, timeouts = 0, errors = 0;
  std::uint64_t suspensions = 0;  ///< busy_port events
  std::uint64_t waits = 0;        ///< calls that did not return at once
  Latencies send;                 ///< from the call to its return
};

class Senders {
 public:
  /// How a port came to its end.
  struct Ended {
    Time at{};            ///< when the peer hung up, if that was seen, else when a call failed
    bool by_peer = true;  ///< false: by its own send_timeout_close
  };

  Senders(Timers& timers, const SenderOptions& options);
  ~Senders();
  Senders(const Senders&) = delete;
  Senders& operator=(const Senders&) = delete;

  /// A port on a connected stream. Its number.
  std::size_t add(std::unique_ptr<Transport> transport);
  std::size_t size() const { return ports_.size(); }
  const Port& port(std::size_t number) const;

  /// Every producer that may sends, a batch each; those that get no turn within `slice` are the first next time. False
  /// if nobody could.
  bool send_freely(Time slice);
  /// Until `due` calls were made in all, one each in turn, or nobody can make one, or `slice` is over.
  void send_due(std::uint64_t due, Time slice);
  /// Somebody has seen that the peer has closed, at least for writing. What is sent may still reach it; a call that
  /// fails later ends the port as of now.
  void peer_hung_up(std::size_t number);
  /// As peer_hung_up(), where no call will ever fail because none is made.
  void end(std::size_t number);

  /// Nothing for a port that goes on. No call is made on one that has ended.
  const std::optional<Ended>& ended(std::size_t number) const;
  bool all_ended() const { return ended_ == ports_.size(); }
  /// Called once for each port that ends, from within a call or an event of it.
  void on_end(std::function<void(std::size_t number)> hear) { hear_end_ = std::move(hear); }

  bool all_flushed() const;  ///< no bytes wait in any port
  const SenderTotals& totals() const { return totals_; }

 private:
  struct Producer {
    bool waits = false;
    std::uint64_t called = 0;  ///< stamp
  };
  struct Driven;

  void heard(Driven& driven, const Event& event);
  std::uint64_t produce(Driven& driven, std::size_t producer, std::uint64_t most, Time until);
  void returned(Driven& driven, std::uint64_t called, std::uint64_t now, Outcome outcome);
  void has_ended(Driven& driven, bool by_peer);
  std::uint64_t one_of(std::size_t who, std::uint64_t most, Time until);

  Timers& timers_;
  const SenderOptions options_;
  std::string message_;
  std::vector<std::unique_ptr<Driven>> ports_;
  std::size_t next_ = 0;  ///< whose turn it is, of all producers
  std::size_t ended_ = 0;
  std::function<void(std::size_t)> hear_end_;
  SenderTotals totals_;
};

}  // namespace tcpadvisor::port::load
