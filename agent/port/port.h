// SPDX-License-Identifier: Apache-2.0
// One port as its callers know it: gen_tcp's send, receive, shutdown and close over the scheduler (L2) and the driver
// (L1), with the waits that Erlang's library makes around them. One thread, no IO of its own.
//
//   VirtualTime time;
//   FakeWire wire(time, {.capacity = 5, .writable_at = 3});
//   Port port({.name = "P"}, wire.take_near(), time, sink);
//   port.send(1, {}, "x");   // ok, or pending and an answer event later
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/driver.h"
#include "agent/port/operations.h"
#include "agent/port/options.h"
#include "agent/port/scheduler.h"
#include "agent/port/terms.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

struct PortSetup {
  std::string name = "P";
  Profile profile = Profile::otp25;
  Options options{};
  bool explain = false;      ///< events `reason`
  CallerId owner = kNobody;  ///< gets the messages that have no other addressee ({tcp,…}, {tcp_closed,…})
};

/// Everything that can be seen of a port from outside: what is published and what a transcript shows. Bytes.
struct PortState {
  std::uint64_t queued = 0, message_queue = 0;
  bool busy = false, message_busy = false;
  std::uint32_t waiting = 0, suspended = 0, scheduled = 0;  ///< callers
  Time waited{};                                            ///< of the one that has waited longest
  bool pending_shutdown = false;
  bool limbo = false;  ///< closed for everybody, but still flushing
  bool open = true;    ///< false once the descriptor is closed
  bool gone = false;   ///< the port takes no calls any more
  std::uint64_t accepted = 0, written = 0, dropped = 0, bypassed = 0, refused = 0;
};

class Port final : private DriverEvents, private TransportEvents {
 public:
  Port(PortSetup setup, std::unique_ptr<Transport> transport, Timers& timers, EventSink& sink);
  ~Port() override;
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  const std::string& name() const { return setup_.name; }
  CallerId owner() const { return setup_.owner; }

  /// What the call returned, or `pending`: then an `answer` event comes when it returns. All calls below are the same.
  /// A caller whose last call has not returned gets badarg, as no process can do that.
  Outcome send(CallerId caller, const SendOptions& options, std::string_view data);
  /// gen_tcp:shutdown/2 with SHUT_RD, SHUT_WR or SHUT_RDWR.
  Outcome shutdown(CallerId caller, int how);
  /// gen_tcp:close/1: waits for the queue by the profile's rules, then port_close.
  Outcome close(CallerId caller);
  /// gen_tcp:recv/2,3: the answer is always an event; `bytes` 0 takes what there is.
  void receive(CallerId caller, std::size_t bytes, std::optional<std::chrono::milliseconds> timeout);

  /// Bytes in the queue; with any there, `caller` gets one empty_out_q event later.
  std::uint64_t subscribe(CallerId caller);
  Outcome set_options(std::span<const OptionSetting> settings);
  const Options& options() const { return driver_.options(); }
  /// getstat: send_cnt, send_oct, send_max, send_avg, send_pend. Still answered in limbo. `einval` otherwise.
  Outcome statistic(std::string_view item, std::uint64_t& value) const;

  void port_close();  ///< erlang:port_close/1, and what the owner's death does: without waiting
  void kill();        ///< exit(Port,kill): the queue is dropped
  void caller_dies(CallerId caller);
  void hold();  ///< somebody else has the port's lock: sends are scheduled
  void release();
  void give_one_turn();  ///< release(), one turn of the port, and hold() again

  PortState state() const;
  /// What `caller` is doing: nothing if its last call has returned.
  std::optional<Call::State> call_state(CallerId caller) const;
  std::uint64_t write_calls() const { return driver_.write_calls(); }

 private:
  /// A caller of close, or of shutdown in the classic profile, that waits for the queue in rounds of 5 s.
  struct Draining {
    bool closes = true;
    int how = 0;
    std::uint64_t initial = 0, previous = 0;
    Time began{};
    TimerId timer = 0;
  };

  void port_busy(bool on) override { scheduler_.port_busy(on); }
  void driver_reply(CallerId caller, Outcome outcome) override { scheduler_.driver_reply(caller, outcome); }
  void driver_event(Event event) override;
  void driver_exit() override;
  bool explains() const override { return setup_.explain; }
  void driver_reason(CallerId caller, const std::string& text) override {
    operations_.tell({EventKind::reason, caller, Outcome::ok, text});
  }
  template <typename Text>
  void because(CallerId caller, const Text& text) {
    if (setup_.explain) driver_reason(caller, text());
  }
  void writable() override;
  void readable() override;

  bool in_a_call(CallerId caller) const;
  Outcome shut(CallerId caller, int how);
  Outcome start_closing(CallerId caller);
  Outcome start_draining(CallerId caller, Draining draining);
  void next_round(CallerId caller, Draining& draining);
  void round_over(CallerId caller);
  void drained(CallerId caller, const Draining& draining);
  bool finish_drained();
  std::optional<Time> bound(const Draining& draining) const;
  void end(bool kill);

  PortSetup setup_;
  std::unique_ptr<Transport> transport_;
  Operations operations_;
  Scheduler scheduler_;
  Driver driver_;
  std::map<CallerId, Draining> draining_;
  std::vector<CallerId> drained_;  ///< of those, who has got the notice
  bool gone_ = false;              ///< nobody can call any more
  bool ended_ = false;             ///< and the descriptor is closed: port_gone was told
};

}  // namespace tcpadvisor::port
