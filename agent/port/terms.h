// SPDX-License-Identifier: Apache-2.0
// The words that all parts of the port driver share: who calls, what comes back, what happens on the side. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tcpadvisor::port {

/// A caller stands for an Erlang process: it has at most one call that has not returned. 0 is nobody.
using CallerId = std::uint32_t;
inline constexpr CallerId kNobody = 0;

/// Time since the start of the world that a port lives in: virtual with the fake transport, monotonic otherwise.
using Time = std::chrono::nanoseconds;

/// Which Erlang/OTP a port behaves like (port-driver model, docs/port-driver.md).
enum class Profile : std::uint8_t {
  otp25,    ///< OTP 25.2.3
  classic,  ///< R14B03 and R16B02: shutdown and close give up after 5 s without progress
};
std::string_view to_text(Profile profile);

/// What a call returned, or what a message said.
enum class Outcome : std::uint8_t {
  pending,  ///< it has not returned: an event will tell
  ok,
  yes,  ///< true
  no,   ///< false: port_command was refused because the port is busy
  badarg,
  nosuspend,  ///< erlang:send was refused because the port is busy
  noconnect,
  closed,    ///< {error,closed}
  enotconn,  ///< {error,enotconn} and so on
  einval,
  timeout,
  busy,
  ealready,
  econnreset,
};
/// As Erlang prints it: "ok", "true", "{error,timeout}"; "pending" for what has not returned.
std::string_view to_text(Outcome outcome);

/// The ways to send. They differ in what they return and in who is held back.
enum class SendKind : std::uint8_t {
  send,            ///< gen_tcp:send/2: waits for the driver's reply; with `nosuspend` prim_inet:send/3
  command,         ///< port_command/2,3: returns at once, the driver's reply is a message
  bang,            ///< Port ! {self(),{command,Data}}, erlang:send/2,3: no reference, so `parallelism` applies
  send_nosuspend,  ///< erlang:send_nosuspend/2: true or false
};
std::string_view to_text(SendKind kind);

struct SendOptions {
  SendKind kind = SendKind::send;
  bool nosuspend = false;   ///< refuse instead of suspending the caller
  bool force = false;       ///< `command` only: append even if the port is busy
  bool noconnect = false;   ///< no effect on ports
  bool bad_option = false;  ///< an option that Erlang does not know: badarg
};

enum class EventKind : std::uint8_t {
  answer,          ///< the caller's call has returned, with `outcome` (and `data` for a receive)
  reply,           ///< message {inet_reply,Port,Outcome}: the driver's reply to a `command` or `bang`
  suspended,       ///< the caller is held back; its bytes are not queued
  resumed,         ///< the caller may try again (its answer follows, or it is suspended once more)
  busy_port,       ///< system monitor event {monitor,Caller,busy_port,Port}, one for each suspension
  empty_out_q,     ///< message {empty_out_q,Port} to a subscriber
  data,            ///< message {tcp,Port,Data} in active mode
  tcp_closed,      ///< message {tcp_closed,Port}
  tcp_error,       ///< message {tcp_error,Port,econnreset}
  tcp_passive,     ///< message {tcp_passive,Port}: an {active,N} budget is used up
  busy_dist_port,  ///< the same on a distribution channel
  nodedown,        ///< the channel's connection has ended
  port_gone,       ///< the port has ended: its file descriptor is closed
  reason,          ///< no event of Erlang's: in words, in `data`, why the port did what it has just done (`explain`)
};
std::string_view to_text(EventKind kind);

struct Event {
  EventKind kind = EventKind::answer;
  CallerId caller = kNobody;
  Outcome outcome = Outcome::ok;
  std::string data{};
};

/// Who hears of the events of one port. Called only between operations, so it may call the port again, or destroy it.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) = 0;
};

}  // namespace tcpadvisor::port
