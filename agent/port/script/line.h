// SPDX-License-Identifier: Apache-2.0
// What a script sends on: a port or a channel, its peer, and the bytes between them.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "agent/port/receiver.h"
#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {

inline constexpr std::size_t kMaxLines = 100;
inline constexpr std::uint64_t kMostAtOnce = 16 << 20;  ///< bytes of one send, and of one read by the peer

/// The script asks for what cannot be: it ends, with exit code 2.
inline std::unexpected<Error> script_error(std::string message) {
  return fail(ErrorCode::bad_input, std::move(message));
}

class Run::Line : public EventSink {
 public:
  using Hear = std::function<void(Line&, const Event&)>;

  Line(std::string name, int packet, Timers& timers, Hear hear)
      : packet_(packet), to_peer(packet), name_(std::move(name)), timers_(timers), hear_(std::move(hear)) {}
  ~Line() override { timers_.cancel(drain_timer); }

  const std::string& name() const { return name_; }
  void on_event(const Event& event) override { hear_(*this, event); }

  virtual Outcome send(CallerId caller, const HowToSend& how, std::string_view bytes) = 0;
  virtual void caller_dies(CallerId caller) = 0;
  /// "waiting", "suspended" or "scheduled", of a call that has not returned.
  virtual std::string held(CallerId caller) const = 0;
  virtual std::string fact(const std::string& key) const = 0;
  virtual std::uint64_t queued() const = 0;
  virtual std::uint64_t written() const = 0;
  virtual std::uint64_t progress() const = 0;  ///< changes whenever something happens
  virtual bool has_gap() const = 0;            ///< bytes were thrown away, and the connection goes on
  virtual void show(StepRecord& record) const = 0;
  virtual std::string next_bytes(std::size_t sender, std::size_t bytes) { return to_peer.next(sender, bytes); }
  virtual void take_back(std::size_t sender, std::size_t bytes) { to_peer.take_back(sender, bytes); }

  /// Numbers the callers that send on it; 16 and more have none of their own.
  std::size_t sender(CallerId id);
  void peer_sends(std::size_t bytes) { peer->write(packet_header(packet_, bytes) + from_peer_.next(0, bytes)); }
  Status received(std::string_view bytes);

 private:
  int packet_;

 public:
  std::unique_ptr<OtherEnd> peer;  ///< none while a channel is not connected
  Payload to_peer;
  bool was_reset = false;  ///< by the peer
  bool draining = false, drain_all = false;
  std::uint64_t drain_rate = 0, drain_owed = 0;  ///< bytes a second; bytes × 100
  TimerId drain_timer = 0;

 protected:
  void forget_stream() { to_peer = Payload(packet_); }

 private:
  std::string name_;
  Timers& timers_;
  Hear hear_;
  std::vector<CallerId> senders_;
  Payload from_peer_;
};

class Run::PortLine final : public Run::Line {
 public:
  PortLine(PortSetup setup, Connection connection, Timers& timers, Hear hear);

  Outcome send(CallerId caller, const HowToSend& how, std::string_view bytes) override {
    return port.send(caller, how.options, bytes);
  }
  void caller_dies(CallerId caller) override { port.caller_dies(caller); }
  std::string held(CallerId caller) const override;
  std::string fact(const std::string& key) const override;
  std::uint64_t queued() const override;
  std::uint64_t written() const override { return port.state().written; }
  std::uint64_t progress() const override;
  bool has_gap() const override;
  void show(StepRecord& record) const override { record.ports.emplace(name(), port.state()); }

  Port port;
};

class Run::ChannelLine final : public Run::Line {
 public:
  ChannelLine(ChannelSetup setup, Timers& timers, Hear hear);

  void up(Connection connection);
  Outcome send(CallerId caller, const HowToSend& how, std::string_view bytes) override {
    return channel.send(caller, how.signal, how.options, bytes);
  }
  void caller_dies(CallerId caller) override { channel.caller_dies(caller); }
  std::string held(CallerId) const override { return "suspended"; }
  std::string fact(const std::string& key) const override;
  std::uint64_t queued() const override;
  std::uint64_t written() const override { return channel.state().written - written_before_; }
  std::uint64_t progress() const override;
  bool has_gap() const override { return false; }
  void show(StepRecord& record) const override { record.channels.emplace(name(), channel.state()); }
  /// A long message goes as packets of its own for each fragment.
  std::string next_bytes(std::size_t sender, std::size_t bytes) override;
  void take_back(std::size_t sender, std::size_t bytes) override;
  void on_event(const Event& event) override;

  Channel channel;

 private:
  std::uint64_t written_before_ = 0;  ///< on connections that have ended
};

}  // namespace tcpadvisor::port::script
