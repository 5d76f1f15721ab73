// SPDX-License-Identifier: Apache-2.0
// The loop of the real transports: libevent's epoll (level-triggered) and our ordered timers. One thread.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>

#include "advisor/base/result.h"
#include "agent/port/timer_queue.h"
#include "agent/port/transport.h"

struct event;
struct event_base;

namespace tcpadvisor::port {

class Reactor final : public Timers {
 public:
  static Result<std::unique_ptr<Reactor>> create();
  ~Reactor() override;

  Time now() const override;  ///< since the reactor was made
  TimerId after(Time delay, std::function<void()> what) override;
  void cancel(TimerId timer) override { timers_.cancel(timer); }

  enum class Wants { read, write };
  /// Calls `ready` in every turn in which the descriptor is ready (or broken), while the watch is on and lives.
  class Watch {
   public:
    Watch(Reactor& reactor, int fd, Wants wants, std::function<void()> ready);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    void set(bool on);

   private:
    Reactor& reactor_;
    std::function<void()> ready_;
    event* event_ = nullptr;
    bool on_ = false;
  };

  /// One turn: waits at most `longest` for a descriptor or a timer, then runs what is ready, each once. What a watch or
  /// a timer throws comes out of here, and the next turn goes on.
  void turn(Time longest);
  /// Turns until `done()` or until `limit` has passed. False if it was the limit.
  bool run_until(const std::function<bool()>& done, Time limit);

 private:
  Reactor(event_base* base, event* wake) : base_(base), wake_(wake), start_(std::chrono::steady_clock::now()) {}

  event_base* base_;
  event* wake_;
  std::chrono::steady_clock::time_point start_;
  TimerQueue timers_;
  std::exception_ptr failure_;  ///< thrown by a watch in this turn
};

}  // namespace tcpadvisor::port
