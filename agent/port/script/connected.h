// SPDX-License-Identifier: Apache-2.0
// A port of a script, its peer, and the bytes in both directions.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "agent/port/receiver.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {

inline constexpr std::size_t kMaxPorts = 100;

class Run::Connected final : public EventSink {
 public:
  using Hear = std::function<void(Connected&, const Event&)>;

  Connected(PortSetup setup, Connection connection, Timers& timers, Hear hear)
      : packet(setup.options.packet),
        to_peer(packet),
        peer(std::move(connection.peer)),
        hear_(std::move(hear)),
        timers_(timers),
        port(std::move(setup), std::move(connection.port_end), timers, *this) {}
  ~Connected() override { timers_.cancel(drain_timer); }

  void on_event(const Event& event) override { hear_(*this, event); }

  /// Numbers the callers that send to this port; 16 and more have none of their own.
  std::size_t sender(CallerId id) {
    auto at = std::ranges::find(senders_, id);
    if (at != senders_.end()) return static_cast<std::size_t>(at - senders_.begin());
    if (senders_.size() < Payload::kMaxSenders) senders_.push_back(id);
    return at == senders_.end() && senders_.back() != id ? Payload::kMaxSenders : senders_.size() - 1;
  }

  void peer_sends(std::size_t bytes) {
    std::string body = from_peer_.next(0, bytes);
    peer->write(packet_header(packet, bytes) + body);
  }
  Status received(std::string_view bytes) {
    Status status = from_peer_.check(bytes);
    if (!status) status.error().message = "port " + port.name() + " received: " + status.error().message;
    return status;
  }

  const int packet;
  Payload to_peer;
  bool was_reset = false;  ///< by the peer
  std::unique_ptr<Peer> peer;
  bool draining = false, drain_all = false;
  std::uint64_t drain_rate = 0, drain_owed = 0;  ///< bytes a second; bytes × 100
  TimerId drain_timer = 0;

 private:
  std::vector<CallerId> senders_;
  Payload from_peer_;
  Hear hear_;
  Timers& timers_;

 public:
  Port port;  ///< last: what it tells on its way out still finds the rest
};

}  // namespace tcpadvisor::port::script
