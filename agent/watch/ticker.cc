// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/ticker.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tcpadvisor::watch {

using Time = std::chrono::steady_clock::time_point;

Time next_due(Time due, std::chrono::milliseconds interval, Time now) {
  return std::max(due + interval, now);
}

Result<std::unique_ptr<Ticker>> Ticker::start(Tick tick, std::chrono::milliseconds interval) {
  os::UniqueFd ready(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready) return fail(ErrorCode::failed, "eventfd() failed", errno);
  return std::unique_ptr<Ticker>(new Ticker(std::move(ready), std::move(tick), interval));
}

Ticker::Ticker(os::UniqueFd ready, Tick tick, std::chrono::milliseconds interval)
    : ready_(std::move(ready)), tick_(std::move(tick)), interval_(interval), thread_([this] { loop(); }) {}

Ticker::~Ticker() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::vector<Result<SamplePtr>> Ticker::take() {
  std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  eventfd_read(ready_.get(), &count);
  return std::exchange(taken_, {});
}

void Ticker::loop() {
  Time due = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    Result<SamplePtr> sample = tick_();
    lock.lock();
    taken_.push_back(std::move(sample));
    eventfd_write(ready_.get(), 1);
    due = next_due(due, interval_, std::chrono::steady_clock::now());
    wake_.wait_until(lock, due, [this] { return stop_; });
  }
}

}  // namespace tcpadvisor::watch
