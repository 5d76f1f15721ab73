// SPDX-License-Identifier: Apache-2.0
// L1: the driver of one TCP port, as inet_drv behaves: one queue of bytes that the kernel has not taken, two
// watermarks, and the rules for the ends of a connection. No IO of its own: bytes go through a Transport, time comes
// from Timers. Who may call at all is decided above it (scheduler.h). One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/byte_queue.h"
#include "agent/port/options.h"
#include "agent/port/receiver.h"
#include "agent/port/terms.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

/// What the driver tells the layers above it.
class DriverEvents {
 public:
  virtual ~DriverEvents() = default;
  virtual void port_busy(bool on) = 0;                              ///< BUSY_PORT
  virtual void driver_reply(CallerId caller, Outcome outcome) = 0;  ///< {inet_reply,Port,Outcome}
  virtual void driver_event(Event event) = 0;                       ///< messages to subscribers and to the owner
  virtual void driver_exit() = 0;                                   ///< the driver ends its port (exit_on_close)
  virtual bool explains() const { return false; }                   ///< somebody wants to know why
  virtual void driver_reason(CallerId, const std::string&) {}       ///< then only; kNobody: it is about the port
};

/// Calls that reached the driver: counted before their outcome, with their headers.
struct SendStatistics {
  std::uint64_t count = 0, bytes = 0, max = 0;
  double mean = 0;  ///< running; shown truncated
  void add(std::uint64_t size);
};

class Driver final : public TransportEvents {
 public:
  Driver(Profile profile, const Options& options, Transport& transport, Timers& timers, DriverEvents& above);
  ~Driver() override;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // ---- sending ----
  /// One send that was admitted. The reply comes by driver_reply(), possibly before this returns, possibly never (a
  /// caller that crossed `high` and was then overtaken by a forced one).
  void command(CallerId caller, std::string_view data);
  /// `shutdown(write)` and `shutdown(read_write)` with an empty queue, or the end of the classic wait: now.
  Outcome shutdown_now(int how);
  /// What gen_tcp:shutdown/2 of the otp25 profile does: now if the queue is empty, else when it will be.
  Outcome shutdown_deferred(int how);
  /// Bytes queued; if there are any, `caller` gets one empty_out_q message when they are gone.
  std::uint64_t subscribe(CallerId caller);

  // ---- receiving ----
  void receive(CallerId caller, std::size_t bytes, std::optional<std::chrono::milliseconds> timeout);

  // ---- options ----
  Outcome set_options(std::span<const OptionSetting> settings);
  const Options& options() const { return options_; }

  // ---- the end ----
  /// port_close or death of the owner: true when everything is closed, false when the port goes on in limbo until its
  /// queue is empty (driver_exit() follows then). `kill`: the queue is dropped.
  bool stop(bool kill);

  // ---- what is there ----
  std::uint64_t queued() const { return queue_.size(); }  ///< q, send_pend
  bool busy() const { return busy_; }
  CallerId busy_caller() const { return busy_caller_; }  ///< who gets the reply when the queue has drained
  /// Who waits in receive(); kNobody if nobody does.
  CallerId receiving() const { return receiver_.waiting ? receiver_.waiting->caller : kNobody; }
  bool connected() const { return connected_; }
  bool pending_shutdown() const { return pending_shutdown_ >= 0; }
  bool in_limbo() const { return limbo_; }
  std::uint64_t dropped() const { return dropped_; }    ///< bytes accepted and thrown away
  std::uint64_t bypassed() const { return bypassed_; }  ///< bytes queued while busy, or in spite of a time-out
  std::uint64_t written() const { return written_; }    ///< bytes that the kernel took, headers included
  std::uint64_t write_calls() const { return write_calls_; }
  const SendStatistics& statistics() const { return statistics_; }

  void writable() override;
  void readable() override;

 private:
  /// `text` makes the sentence; it costs nothing where nobody asks.
  template <typename Text>
  void because(CallerId caller, const Text& text) {
    if (above_.explains()) above_.driver_reason(caller, text());
  }
  void append(CallerId caller, std::string_view header, std::string_view data);
  void write_first(CallerId caller, std::string_view header, std::string_view data);
  void flush();
  Moved count(Moved moved);
  void want_writable(bool on);
  void set_busy(CallerId caller, std::uint64_t bytes);
  void clear_busy();
  void send_timed_out();
  void tell_subscribers();
  void send_error(CallerId caller, int sys_errno);
  void peer_closed(Outcome told);
  std::size_t read_some();
  void tell_tcp_closed(Outcome told);
  void tell_passive(const Options& before, std::span<const OptionSetting> settings);
  void finish_limbo();
  void disconnect();
  void drop_queue();
  void close_transport(bool reset);
  void deliver();
  bool answer_receiver(Outcome outcome, std::string data = {});
  void watch_input();
  std::uint64_t high() const;
  std::uint64_t low() const;
  bool linger_zero() const;

  Profile profile_;
  Options options_;
  Transport& transport_;
  Timers& timers_;
  DriverEvents& above_;

  ByteQueue queue_;
  bool connected_ = true;
  bool busy_ = false;
  CallerId busy_caller_ = kNobody;
  TimerId send_timer_ = 0, flush_timer_ = 0;
  std::uint64_t busy_bytes_ = 0;  ///< of the call that waits, unless they count as bypassed already
  bool want_writable_ = false, want_readable_ = false;
  int pending_shutdown_ = -1;                  ///< `how` of a shutdown that waits for an empty queue
  std::optional<Outcome> closed_for_send_;     ///< DELAYED_CLOSE_SEND: what the next send is told
  std::optional<Outcome> closed_for_receive_;  ///< DELAYED_CLOSE_RECV: what the next receive is told
  bool read_shut_ = false;                     ///< the peer's FIN was read, or the port is only there to flush
  bool limbo_ = false;
  std::vector<CallerId> subscribers_;  ///< first registered first
  SendStatistics statistics_;
  std::uint64_t dropped_ = 0, bypassed_ = 0, written_ = 0, write_calls_ = 0;
  Receiver receiver_;
};

}  // namespace tcpadvisor::port
