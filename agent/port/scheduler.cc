// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tcpadvisor::port {
namespace {

/// The call has a reference of its own: port_command and what is built on it. Messages have none.
bool has_reference(SendKind kind) {
  return kind == SendKind::send || kind == SendKind::command;
}

bool forced(const SendOptions& options) {
  return options.force && options.kind == SendKind::command;
}

bool refuses(const SendOptions& options) {
  return options.nosuspend || options.kind == SendKind::send_nosuspend;
}

Outcome refused_word(SendKind kind) {
  switch (kind) {
    case SendKind::send:
      return Outcome::busy;
    case SendKind::command:
      return Outcome::no;
    case SendKind::bang:
      return Outcome::nosuspend;
    case SendKind::send_nosuspend:
      break;
  }
  return Outcome::no;
}

/// What the call itself returns once its command was handed over; `send` returns the driver's reply instead.
Outcome accepted_word(SendKind kind) {
  return kind == SendKind::bang ? Outcome::ok : Outcome::yes;
}

/// `late`: the port was there when the call began.
Outcome gone_word(const SendOptions& options, bool late) {
  switch (options.kind) {
    case SendKind::send:
      return late || options.nosuspend ? Outcome::einval : Outcome::closed;
    case SendKind::command:
      return Outcome::badarg;
    case SendKind::bang:
      return Outcome::ok;  // dropped without a word
    case SendKind::send_nosuspend:
      break;
  }
  return Outcome::yes;
}

}  // namespace

TimerId Scheduler::TaskTimers::after(Time delay, std::function<void()> what) {
  TimerId timer = ++last_;
  if (delay <= Time::zero()) {
    due(timer, std::move(what));
    return timer;
  }
  TimerId below = scheduler_.timers_.after(delay, [this, timer, what = std::move(what)]() mutable {
    std::erase_if(later_, [timer](const auto& one) { return one.first == timer; });
    if (scheduler_.held_ || scheduler_.gone_) return what();
    due(timer, std::move(what));
    scheduler_.run_turn();
  });
  later_.emplace_back(timer, below);
  return timer;
}

void Scheduler::TaskTimers::due(TimerId timer, std::function<void()> what) {
  scheduler_.tasks_.push_back({.command = false, .what = std::move(what), .timer = timer});
  scheduler_.want_turn();
}

void Scheduler::TaskTimers::cancel(TimerId timer) {
  if (timer == 0) return;
  auto running = std::ranges::find(later_, timer, &std::pair<TimerId, TimerId>::first);
  if (running != later_.end()) {
    scheduler_.timers_.cancel(running->second);
    later_.erase(running);
    return;
  }
  auto task = std::ranges::find(scheduler_.tasks_, timer, &Task::timer);
  if (task != scheduler_.tasks_.end()) task->what = nullptr;
}

Scheduler::~Scheduler() {
  timers_.cancel(turn_);
  for (const auto& [caller, timer] : reply_waits_) timers_.cancel(timer);
}

Outcome Scheduler::output(CallerId caller, const SendOptions& options, std::string_view data) {
  if (options.bad_option) because(caller, [] { return std::string("Erlang knows no such option"); });
  if (options.bad_option || calls_.contains(caller)) return Outcome::badarg;
  switch_to(caller);
  return try_output(caller, options, data, false);
}

Outcome Scheduler::try_output(CallerId caller, const SendOptions& options, std::string_view data, bool again) {
  if (gone_) {
    because(caller, [] { return std::string("the port is gone"); });
    return gone_word(options, again);
  }
  if (!forced(options) && (busy_port_ || mq_busy_)) {
    if (!refuses(options)) {
      because(caller, [&] {
        return fmt::format("is suspended before its bytes ({}) are queued: {}", data.size(), why_busy());
      });
      return suspend(caller, options, data);
    }
    because(caller, [&] { return fmt::format("is refused, as it asked for (nosuspend): {}", why_busy()); });
    ++refused_;
    return refused_word(options.kind);
  }
  return must_schedule(options) ? schedule(caller, options, data) : execute(caller, options, data);
}

std::string Scheduler::why_busy() const {
  const Options& options = driver_->options();
  if (busy_port_) return fmt::format("the port is busy until q {} is {} or less", driver_->queued(), options.low);
  return fmt::format("the message queue is busy until mq {} is less than {}", mq_, options.mq_low);
}

/// Between two processes the port has a turn.
void Scheduler::switch_to(CallerId caller) {
  if (std::exchange(current_, caller) != caller && turn_ != 0 && !held_) run_turn();
}

bool Scheduler::must_schedule(const SendOptions& options) const {
  if (held_ || has_tasks()) return true;
  // Only calls without a reference are scheduled for the sake of parallelism.
  return !has_reference(options.kind) && driver_->options().parallelism;
}

Outcome Scheduler::suspend(CallerId caller, const SendOptions& options, std::string_view data) {
  calls_[caller] = {Call::State::suspended, options, std::string(data), timers_.now()};
  held_back(caller);
  return Outcome::pending;
}

void Scheduler::held_back(CallerId caller) {
  suspended_.push_back(caller);
  ++busy_port_events_;
  tell_({EventKind::suspended, caller});
  tell_({EventKind::busy_port, caller});
}

Outcome Scheduler::execute(CallerId caller, const SendOptions& options, std::string_view data) {
  running_ = options.kind == SendKind::send ? caller : kNobody;
  running_reply_ = Outcome::pending;
  driver_->command(caller, data);
  running_ = kNobody;
  if (options.kind != SendKind::send) return accepted_word(options.kind);
  if (running_reply_ == Outcome::pending && caller != kNobody)
    calls_[caller] = {Call::State::waiting, options, {}, timers_.now()};
  return running_reply_;
}

Outcome Scheduler::schedule(CallerId caller, const SendOptions& options, std::string_view data) {
  tasks_.push_back({caller, options, std::string(data), !forced(options) && !refuses(options)});
  const bool first = tasks_.size() == 1 && parked_.empty();
  mq_ += data.size();
  const auto mq_high = static_cast<std::uint64_t>(driver_->options().mq_high);
  because(caller, [&] {
    return fmt::format(
        "is scheduled, as {}: mq {}{}",
        held_   ? "somebody else has the port's lock"
        : first ? "the port may run beside it (parallelism)"
                : "others are scheduled before it",
        mq_, mq_ > mq_high && !mq_busy_ ? fmt::format(" > mq_high {}: the message queue is busy", mq_high) : "");
  });
  if (mq_ > mq_high) mq_busy_ = true;
  want_turn();
  if (!has_reference(options.kind)) return accepted_word(options.kind);
  calls_[caller] = {Call::State::scheduled, options, {}, timers_.now()};
  // The caller waits, so the port has its turn before any other process.
  Returning returning{caller};
  returning_ = &returning;
  if (!held_) run_turn();
  returning_ = nullptr;
  return returning.outcome;
}

void Scheduler::in_line(CallerId caller, const std::function<void()>& what) {
  if (caller != kNobody) switch_to(caller);
  if (held_ || gone_ || !has_tasks()) return what();
  bool done = false;
  tasks_.push_back({.caller = caller, .command = false, .what = [&what, &done] {
                      done = true;
                      what();
                    }});
  const auto mine = std::prev(tasks_.end());
  while (!done && !gone_ && runnable()) run_turn();
  if (done) return;
  // Behind commands of the same caller that wait for the port, or the port has ended meanwhile.
  if (!gone_) parked_.erase(mine);
  what();
}

void Scheduler::want_turn() {
  if (turn_ != 0 || held_ || gone_) return;
  turn_ = timers_.after(Time::zero(), [this] {
    turn_ = 0;
    run_turn();
  });
}

void Scheduler::release() {
  held_ = false;
  want_turn();
}

void Scheduler::give_one_turn() {
  held_ = false;
  run_turn();
  held_ = true;
  timers_.cancel(std::exchange(turn_, 0));  // release() asks for the next
}

void Scheduler::run_turn() {
  timers_.cancel(std::exchange(turn_, 0));
  check_message_queue();
  std::size_t executed = 0;
  while (!held_ && !gone_ && executed < kTasksPerTurn) {
    std::list<Task>& from = !busy_port_ && !parked_.empty() ? parked_ : tasks_;
    if (from.empty()) break;
    if (park(from)) continue;
    ++executed;
    const Task task = std::move(from.front());
    from.pop_front();
    run_task(task);
    if (busy_port_ && &from == &parked_) unpark_what_need_not_wait();
  }
  if (runnable()) want_turn();
}

/// Puts the first task aside if it waits while the port is busy; also one that need not, behind its caller's that do.
bool Scheduler::park(std::list<Task>& from) {
  if (!busy_port_ || &from == &parked_) return false;
  const Task& task = from.front();
  auto behind = parked_.end();
  if (!task.waits_while_busy) {
    if (task.caller == kNobody) return false;
    auto last = std::find_if(parked_.rbegin(), parked_.rend(), [&](const Task& p) { return p.caller == task.caller; });
    if (last == parked_.rend()) return false;
    behind = last.base();
  }
  because(task.caller, [&] {
    return fmt::format("what it has scheduled waits: {}",
                       task.waits_while_busy ? why_busy() : "what it sent before waits, too");
  });
  parked_.splice(behind, from, from.begin());
  return true;
}

/// The port has become busy again: a task that only had to come after one that was parked goes on all the same.
void Scheduler::unpark_what_need_not_wait() {
  auto place = tasks_.begin();
  while (!parked_.empty() && !parked_.front().waits_while_busy) {
    if (std::ranges::count(parked_, parked_.front().caller, &Task::caller) > 1) return;
    tasks_.splice(place, parked_, parked_.begin());
  }
}

void Scheduler::run_task(const Task& task) {
  if (!task.command) {
    if (task.what) task.what();
    return;
  }
  // Who sent a message does not wait for it, and may be in another call by now.
  auto call = has_reference(task.options.kind) ? calls_.find(task.caller) : calls_.end();
  bool caller_waits = call != calls_.end() && call->second.state == Call::State::scheduled;
  if (caller_waits) calls_.erase(call);
  Outcome outcome = execute(task.caller, task.options, task.data);
  if (caller_waits && outcome != Outcome::pending) give(task.caller, outcome);
  mq_ -= std::min<std::uint64_t>(mq_, task.data.size());
  check_message_queue();
}

void Scheduler::check_message_queue() {
  if (!mq_busy_ || mq_ >= static_cast<std::uint64_t>(driver_->options().mq_low)) return;
  mq_busy_ = false;
  because(kNobody,
          [&] { return fmt::format("mq {} < mq_low {}: the message queue is free", mq_, driver_->options().mq_low); });
  if (!busy_port_) resume_all();
}

void Scheduler::limits_changed() {
  if (gone_) return;
  if (mq_ > static_cast<std::uint64_t>(driver_->options().mq_high)) {
    mq_busy_ = true;
  } else if (mq_busy_ && mq_ < static_cast<std::uint64_t>(driver_->options().mq_low)) {
    want_turn();
  }
}

void Scheduler::port_busy(bool on) {
  busy_port_ = on;
  if (on) {
    abort_refusable_tasks();
    return;
  }
  if (!parked_.empty()) want_turn();
  if (!mq_busy_) resume_all();
}

/// A port_command with nosuspend that is still scheduled when the port becomes busy is taken back.
void Scheduler::abort_refusable_tasks() {
  std::erase_if(tasks_, [this](const Task& task) {
    if (!task.command || !task.options.nosuspend || !has_reference(task.options.kind) || forced(task.options))
      return false;
    mq_ -= std::min<std::uint64_t>(mq_, task.data.size());
    ++refused_;
    because(task.caller,
            [] { return std::string("is taken back from the schedule: the port is busy now (nosuspend)"); });
    answer(task.caller, refused_word(task.options.kind));
    return true;
  });
  check_message_queue();
}

void Scheduler::resume_all() {
  if (suspended_.empty()) return;
  because(kNobody, [&] {
    if (gone_) return std::string("is gone: who was suspended tries again, in vain");
    if (suspended_.size() == 1) return std::string("not busy any more: who was suspended tries again");
    return fmt::format("not busy any more: {} who were suspended try again, who was first comes last",
                       suspended_.size());
  });
  // The caller that has waited longest comes last: erts takes the list from its second element on.
  std::rotate(suspended_.begin(), suspended_.begin() + 1, suspended_.end());
  resumed_.insert(resumed_.end(), suspended_.begin(), suspended_.end());
  suspended_.clear();
}

bool Scheduler::retry_resumed() {
  if (resumed_.empty()) return false;
  for (CallerId caller : std::exchange(resumed_, {})) {
    auto call = calls_.extract(caller);
    if (call.empty()) continue;
    tell_({EventKind::resumed, caller});
    switch_to(caller);
    if (!gone_ &&
        (busy_port_ || mq_busy_)) {  // somebody was faster; whoever was suspended once neither forces nor refuses
      because(caller, [&] { return fmt::format("is suspended again, others were faster: {}", why_busy()); });
      call.mapped().since = timers_.now();
      calls_.insert(std::move(call));
      held_back(caller);
      continue;
    }
    Outcome outcome = try_output(caller, call.mapped().options, call.mapped().data, true);
    if (outcome != Outcome::pending) tell_({EventKind::answer, caller, outcome});
  }
  return true;
}

void Scheduler::driver_reply(CallerId caller, Outcome outcome) {
  if (caller == kNobody) return;
  if (caller == running_ && running_reply_ == Outcome::pending) {
    running_reply_ = outcome;
    return;
  }
  auto call = calls_.find(caller);
  if (call != calls_.end() && call->second.state == Call::State::waiting) {
    answer(caller, outcome);
  } else {
    tell_({EventKind::reply, caller, outcome});
  }
}

void Scheduler::answer(CallerId caller, Outcome outcome) {
  if (calls_.erase(caller) > 0) give(caller, outcome);
}

void Scheduler::give(CallerId caller, Outcome outcome) {
  if (returning_ != nullptr && returning_->caller == caller) {
    returning_->outcome = outcome;
  } else {
    tell_({EventKind::answer, caller, outcome});
  }
}

void Scheduler::port_gone(std::optional<Time> reply_wait) {
  if (std::exchange(gone_, true)) return;
  timers_.cancel(std::exchange(turn_, 0));
  for (std::list<Task>* list : {&parked_, &tasks_}) {
    for (const Task& task : *list) {
      if (task.command && has_reference(task.options.kind)) answer(task.caller, gone_word(task.options, true));
    }
    list->clear();
  }
  mq_ = 0;
  busy_port_ = mq_busy_ = false;
  resume_all();
  if (!reply_wait) return;
  for (const auto& [id, call] : calls_) {
    if (call.state != Call::State::waiting) continue;
    // The wait for a reply is looked at again after `reply_wait`, and only then is the port seen to be dead.
    Time left = std::max(Time::zero(), call.since + *reply_wait - timers_.now());
    reply_waits_[id] = timers_.after(left, [this, caller = id] {
      reply_waits_.erase(caller);
      because(caller,
              [] { return std::string("who waits for a reply looks every 5 s whether the port is still there"); });
      answer(caller, Outcome::closed);
    });
  }
}

void Scheduler::caller_dies(CallerId caller) {
  calls_.erase(caller);
  std::erase(suspended_, caller);
  std::erase(resumed_, caller);
  for (std::list<Task>* list : {&parked_, &tasks_}) {
    for (Task& task : *list) {
      if (task.caller == caller) task.caller = kNobody;  // what was sent stays sent
    }
  }
  if (auto wait = reply_waits_.extract(caller); !wait.empty()) timers_.cancel(wait.mapped());
}

}  // namespace tcpadvisor::port
