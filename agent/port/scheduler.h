// SPDX-License-Identifier: Apache-2.0
// L2: who may hand a command to the driver, and when, as erts' port-task scheduler behaves: a queue of scheduled
// commands with watermarks of its own, suspension and the order of resumption, nosuspend and force. Pure; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/port/driver.h"
#include "agent/port/transport.h"
#include "agent/port/words.h"

namespace tcpadvisor::port {

/// A call that has not returned.
struct Call {
  enum class State : std::uint8_t {
    suspended,  ///< held back, nothing queued
    scheduled,  ///< in the message queue
    waiting,    ///< the driver has the bytes and owes the reply
  } state = State::suspended;
  SendOptions options;
  std::string data;  ///< only while suspended
  Time since{};      ///< when this state began
};

class Scheduler {
 public:
  /// Commands that one turn of the port executes: erts gives a port about 4000 reductions, and a command costs 240.
  static constexpr std::size_t kCommandsPerTurn = 12;

  /// `tell` takes events in the order in which they happen; answers to calls that had to wait are among them.
  Scheduler(Timers& timers, std::function<void(Event)> tell) : timers_(timers), tell_(std::move(tell)) {}
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  void attach(Driver& driver) { driver_ = &driver; }

  /// One call. `pending`: the answer is an event. A caller whose last call has not returned gets badarg (a process
  /// cannot do that).
  Outcome output(CallerId caller, const SendOptions& options, std::string_view data);

  /// The port's lock is taken, as by another scheduler thread: every call is scheduled until release().
  void hold() { held_ = true; }
  void release();
  /// Executes what is scheduled and may run, so that a call to the port that is no command keeps its place in line.
  void run_ahead();
  /// Resumed callers try again, first to last; to be called when no operation is under way. False if there were none.
  bool retry_resumed();

  // ---- from the driver ----
  void port_busy(bool on);
  void driver_reply(CallerId caller, Outcome outcome);

  void limits_changed();  ///< mq_high or mq_low is another one now
  /// The port is closed: scheduled commands are aborted, suspended callers resumed, waiting ones get {error,closed}
  /// after `reply_wait` since their wait began (nothing: never).
  void port_gone(std::optional<Time> reply_wait);
  void caller_dies(CallerId caller);

  // ---- what is there ----
  std::uint64_t message_queue() const { return mq_; }  ///< bytes of scheduled commands
  bool busy_port() const { return busy_port_; }
  bool message_queue_busy() const { return mq_busy_; }
  const std::map<CallerId, Call>& calls() const { return calls_; }
  std::uint64_t refused() const { return refused_; }  ///< nosuspend calls turned away
  std::uint64_t busy_port_events() const { return busy_port_events_; }

 private:
  struct Task {
    CallerId caller = kNobody;
    SendOptions options;
    std::string data;
    bool waits_while_busy = false;  ///< WAIT_BUSY: parked while BUSY_PORT is on
  };

  Outcome try_output(CallerId caller, const SendOptions& options, std::string_view data, bool again);
  Outcome execute(CallerId caller, const SendOptions& options, std::string_view data);
  Outcome suspend(CallerId caller, const SendOptions& options, std::string_view data);
  Outcome schedule(CallerId caller, const SendOptions& options, std::string_view data);
  void held_back(CallerId caller);
  bool runnable() const { return !tasks_.empty() || (!busy_port_ && !parked_.empty()); }
  void want_turn();
  void run_turn();
  bool must_park(const Task& task) const;
  void run_task(const Task& task);
  void check_message_queue();
  void resume_all();
  void abort_refusable_tasks();
  void answer(CallerId caller, Outcome outcome);
  bool must_schedule(const SendOptions& options) const;

  Timers& timers_;
  std::function<void(Event)> tell_;
  Driver* driver_ = nullptr;

  std::list<Task> tasks_, parked_;  ///< lists, because an empty deque takes half a kilobyte
  std::uint64_t mq_ = 0;
  bool busy_port_ = false, mq_busy_ = false, held_ = false, gone_ = false;
  std::vector<CallerId> suspended_;  ///< longest first
  std::vector<CallerId> resumed_;    ///< in the order of their next try
  std::map<CallerId, Call> calls_;
  std::map<CallerId, TimerId> reply_waits_;  ///< after the end of the port
  CallerId running_ = kNobody;               ///< the caller whose command is with the driver right now
  Outcome running_reply_ = Outcome::pending;
  std::uint64_t refused_ = 0, busy_port_events_ = 0;
  TimerId turn_ = 0;
};

}  // namespace tcpadvisor::port
