// SPDX-License-Identifier: Apache-2.0
#include "agent/port/reactor.h"

#include <event2/event.h>

#include <algorithm>
#include <utility>

namespace tcpadvisor::port {

Result<std::unique_ptr<Reactor>> Reactor::create() {
  event_config* config = event_config_new();
  // Millisecond timers of epoll_wait are too coarse for latencies; this makes libevent use a timerfd.
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  event* wake = base != nullptr ? event_new(base, -1, 0, [](evutil_socket_t, short, void*) {}, nullptr) : nullptr;
  if (wake == nullptr) {
    if (base != nullptr) event_base_free(base);
    return fail(ErrorCode::failed, "cannot start an event loop: no descriptor is left, or no memory");
  }
  return std::unique_ptr<Reactor>(new Reactor(base, wake));
}

Reactor::~Reactor() {
  event_free(wake_);
  event_base_free(base_);
}

Time Reactor::now() const {
  return std::chrono::steady_clock::now() - start_;
}

TimerId Reactor::after(Time delay, std::function<void()> what) {
  return timers_.add(now() + std::max(delay, Time::zero()), std::move(what));
}

void Reactor::turn(Time longest) {
  Time wait = longest;
  if (auto due = timers_.next_due()) wait = std::min(wait, *due - now());
  if (wait > Time::zero()) {
    auto us = std::chrono::ceil<std::chrono::microseconds>(wait).count();
    timeval span{us / 1'000'000, us % 1'000'000};
    event_add(wake_, &span);
  }
  // ONCE in any case: without it libevent goes on for as long as any descriptor is ready, and one may always be.
  event_base_loop(base_, wait > Time::zero() ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  // Timers that these start run in the next turn, so that descriptors get theirs.
  TimerId newest = timers_.last();
  Time due_by = now();
  while (auto timer = timers_.take(due_by, newest)) timer->what();
}

bool Reactor::run_until(const std::function<bool()>& done, Time limit) {
  Time end = now() + limit;
  while (!done()) {
    Time left = end - now();
    if (left <= Time::zero()) return false;
    turn(left);
  }
  return true;
}

Reactor::Watch::Watch(Reactor& reactor, int fd, Wants wants, std::function<void()> ready)
    : reactor_(reactor), ready_(std::move(ready)) {
  short what = static_cast<short>((wants == Wants::read ? EV_READ : EV_WRITE) | EV_PERSIST);
  event_ = event_new(
      reactor.base_, fd, what,
      [](evutil_socket_t, short, void* self) {
        Reactor& loop = static_cast<Watch*>(self)->reactor_;
        try {
          auto call = static_cast<Watch*>(self)->ready_;  // a copy: the watch may be destroyed by what it calls
          call();
        } catch (...) {  // libevent is C: it would be left in the middle of its loop
          loop.failure_ = std::current_exception();
          event_base_loopbreak(loop.base_);
        }
      },
      this);
}

Reactor::Watch::~Watch() {
  if (event_ != nullptr) event_free(event_);
}

void Reactor::Watch::set(bool on) {
  if (on == on_ || event_ == nullptr) return;
  on_ = on;
  if (on) {
    event_add(event_, nullptr);
  } else {
    event_del(event_);
  }
}

}  // namespace tcpadvisor::port
