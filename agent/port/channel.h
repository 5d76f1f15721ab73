// SPDX-License-Identifier: Apache-2.0
// L3: the distribution channel between two nodes, as ERTS of OTP 25 behaves (docs/distribution.md has the
// measurements): one connection, a queue of messages with a busy limit above the driver's own queue, senders suspended
// until the queue is empty. Pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/driver.h"
#include "agent/port/operations.h"
#include "agent/port/terms.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

enum class Signal : std::uint8_t {
  message,         ///< Pid ! Message, erlang:send/2,3, exit/2, spawn: held back at the limit
  send_nosuspend,  ///< erlang:send_nosuspend/2: true or false
  control,         ///< link, unlink, monitor, demonitor: always enters, then the caller is held
  death,           ///< the end of a linked process with a short reason: always enters, nobody is left to be held
};
std::string_view to_text(Signal signal);

struct ChannelSetup {
  std::string name = "D";
  std::uint64_t busy_limit = 1 << 20;    ///< bytes, +zdbbl; busy when the queue reaches it
  std::int32_t high = 8192, low = 4096;  ///< of the channel's port; its message-queue marks are off
  bool explain = false;                  ///< events `reason`
};

struct ChannelState {
  std::uint64_t queued = 0;         ///< bytes of the channel's queue, overhead included
  std::uint64_t driver_queued = 0;  ///< send_pend of the channel's port
  bool busy = false, driver_busy = false;
  std::uint32_t suspended = 0;
  Time waited{};  ///< of the one that is suspended longest
  bool connected = false, pending = false;
  std::uint64_t accepted = 0, written = 0, dropped = 0, bypassed = 0, refused = 0;  ///< bytes; refused: calls
};

class Channel final : private DriverEvents, private TransportEvents {
 public:
  /// Bytes that a message takes in the queue beside its payload, as measured.
  static std::uint64_t overhead(std::size_t payload);
  static constexpr std::size_t kFragment = 64 << 10;
  static constexpr Time kSetupTime = std::chrono::seconds(7);  ///< a connection that is not up by then is given up

  Channel(ChannelSetup setup, Timers& timers, EventSink& sink);
  ~Channel() override;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// The connection is there. Whatever was queued for it goes out.
  void up(std::unique_ptr<Transport> transport);
  /// Called when a first message asks for a connection; without it, or before up(), messages wait in the queue.
  void on_connect(std::function<void()> connect) { connect_ = std::move(connect); }
  /// nodedown: the queue is thrown away, and everybody who was held goes on as if it had been sent.
  void down();

  /// ok, true, nosuspend, false or noconnect; `pending`: the caller is suspended and an `answer` event follows. A
  /// caller whose last call has not returned gets badarg.
  Outcome send(CallerId caller, Signal signal, const SendOptions& options, std::string_view payload);
  void caller_dies(CallerId caller);  ///< what it has in the queue stays

  const std::string& name() const { return setup_.name; }
  const ChannelSetup& setup() const { return setup_; }
  ChannelState state() const;
  bool is_suspended(CallerId caller) const;

 private:
  struct Item {
    std::string bytes;
    std::uint64_t cost = 0;
  };
  struct Suspended {
    CallerId caller = kNobody;
    Outcome result = Outcome::ok;
    std::string left;    ///< what has not entered yet
    bool first = false;  ///< nothing of it has entered
    Time since{};
  };

  void port_busy(bool on) override;
  void driver_reply(CallerId, Outcome) override {}
  void driver_event(Event) override {}
  void driver_exit() override { lost_ = true; }
  bool explains() const override { return setup_.explain; }
  void driver_reason(CallerId, const std::string& text) override {
    operations_.tell({EventKind::reason, kNobody, Outcome::ok, "its port: " + text});
  }
  template <typename Text>
  void because(CallerId caller, const Text& text) {
    if (setup_.explain) operations_.tell({EventKind::reason, caller, Outcome::ok, text()});
  }
  void writable() override;
  void readable() override;

  void enter(std::string_view bytes, bool first);
  /// Lets fragments in while there is room. True when all are in.
  bool enter_some(std::string& left, bool& first);
  Outcome enter_or_suspend(CallerId caller, Outcome result, std::string_view payload);
  Outcome suspend(Suspended suspended);
  void pump();
  void resume();
  bool retry_resumed();
  void end_connection();
  bool ask_for_connection();

  ChannelSetup setup_;
  Operations operations_;
  std::function<void()> connect_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Driver> driver_;
  std::deque<Item> queue_;
  std::uint64_t queued_ = 0;
  bool busy_ = false, driver_busy_ = false, pending_ = false, lost_ = false;
  TimerId setup_timer_ = 0;
  std::vector<Suspended> suspended_, resumed_;  ///< longest first
  std::uint64_t accepted_ = 0, dropped_ = 0, bypassed_ = 0, refused_ = 0, written_before_ = 0;
};

}  // namespace tcpadvisor::port
