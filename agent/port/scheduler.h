// SPDX-License-Identifier: Apache-2.0
// L2: who may hand a command to the driver, and when, as erts' port-task scheduler behaves with one scheduler thread: a
// queue of tasks (commands, other calls to the port, timers of 0 ms) with watermarks of its own, suspension and the
// order of resumption, nosuspend and force. The port has its turn when a caller waits for it, and whenever another
// caller comes. Pure; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/port/driver.h"
#include "agent/port/terms.h"
#include "agent/port/transport.h"

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
  /// Tasks that one turn of the port executes: erts gives a port about 4000 reductions, and a task costs 240.
  static constexpr std::size_t kTasksPerTurn = 12;

  /// `tell` takes events in the order in which they happen; answers to calls that had to wait are among them.
  Scheduler(Timers& timers, std::function<void(Event)> tell) : timers_(timers), tell_(std::move(tell)) {}
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  void attach(Driver& driver) { driver_ = &driver; }
  void explain() { explains_ = true; }  ///< events `reason` from now on

  /// One call. `pending`: the answer is an event. A caller whose last call has not returned gets badarg (a process
  /// cannot do that).
  Outcome output(CallerId caller, const SendOptions& options, std::string_view data);

  /// The port's lock is taken, as by another scheduler thread: every call is scheduled until release().
  void hold() { held_ = true; }
  void release();
  /// Gives the lock up for one turn of the port and takes it again, before anybody who was resumed can call.
  void give_one_turn();
  /// Runs `what`, a call of `caller` that is no command or an event of the port (kNobody), in its place behind what is
  /// scheduled; at once if that cannot run now. It has run when this returns.
  void in_line(CallerId caller, const std::function<void()>& what);
  /// For the driver: what is due at once is a task like the others, so the next call is scheduled behind it.
  Timers& timers() { return task_timers_; }
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
    CallerId caller = kNobody;  ///< kNobody: no other task has to be done first
    SendOptions options{};
    std::string data{};
    bool waits_while_busy = false;  ///< WAIT_BUSY: parked while BUSY_PORT is on
    bool command = true;            ///< else `what`; nothing, if it was cancelled: it keeps its place
    std::function<void()> what{};
    TimerId timer = 0;
  };
  class TaskTimers final : public Timers {
   public:
    explicit TaskTimers(Scheduler& scheduler) : scheduler_(scheduler) {}
    Time now() const override { return scheduler_.timers_.now(); }
    TimerId after(Time delay, std::function<void()> what) override;
    void cancel(TimerId timer) override;

   private:
    void due(TimerId timer, std::function<void()> what);

    Scheduler& scheduler_;
    TimerId last_ = 0;
    std::vector<std::pair<TimerId, TimerId>> later_;  ///< ours, and the world's that is running for it
  };
  /// A caller whose call is on the stack, and what it is going to return.
  struct Returning {
    CallerId caller = kNobody;
    Outcome outcome = Outcome::pending;
  };

  template <typename Text>
  void because(CallerId caller, const Text& text) {
    if (explains_) tell_({EventKind::reason, caller, Outcome::ok, text()});
  }
  std::string why_busy() const;
  Outcome try_output(CallerId caller, const SendOptions& options, std::string_view data, bool again);
  Outcome execute(CallerId caller, const SendOptions& options, std::string_view data);
  Outcome suspend(CallerId caller, const SendOptions& options, std::string_view data);
  Outcome schedule(CallerId caller, const SendOptions& options, std::string_view data);
  void held_back(CallerId caller);
  void switch_to(CallerId caller);
  bool has_tasks() const { return !tasks_.empty() || !parked_.empty(); }
  bool runnable() const { return !tasks_.empty() || (!busy_port_ && !parked_.empty()); }
  void want_turn();
  void run_turn();
  bool park(std::list<Task>& from);
  void unpark_what_need_not_wait();
  void run_task(const Task& task);
  void check_message_queue();
  void resume_all();
  void abort_refusable_tasks();
  void answer(CallerId caller, Outcome outcome);
  void give(CallerId caller, Outcome outcome);
  bool must_schedule(const SendOptions& options) const;

  Timers& timers_;
  std::function<void(Event)> tell_;
  TaskTimers task_timers_{*this};
  Driver* driver_ = nullptr;

  std::list<Task> tasks_, parked_;  ///< lists, because an empty deque takes half a kilobyte
  std::uint64_t mq_ = 0;
  bool busy_port_ = false, mq_busy_ = false, held_ = false, gone_ = false, explains_ = false;
  std::vector<CallerId> suspended_;  ///< longest first
  std::vector<CallerId> resumed_;    ///< in the order of their next try
  std::map<CallerId, Call> calls_;
  std::map<CallerId, TimerId> reply_waits_;  ///< after the end of the port
  CallerId current_ = kNobody;               ///< the process that runs
  CallerId running_ = kNobody;               ///< the caller whose command is with the driver right now
  Outcome running_reply_ = Outcome::pending;
  Returning* returning_ = nullptr;
  std::uint64_t refused_ = 0, busy_port_events_ = 0;
  TimerId turn_ = 0;
};

}  // namespace tcpadvisor::port
