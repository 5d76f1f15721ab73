// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/subscription.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tcpadvisor::observe {

Result<std::shared_ptr<Subscription>> Subscription::open(std::size_t backlog) {
  os::UniqueFd ready(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready) return fail(ErrorCode::failed, "eventfd() failed", errno);
  return std::shared_ptr<Subscription>(new Subscription(std::move(ready), std::max<std::size_t>(backlog, 1)));
}

Subscription::Subscription(os::UniqueFd ready, std::size_t backlog) : ready_(std::move(ready)), backlog_(backlog) {}

std::optional<Result<ObservationPtr>> Subscription::take() {
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  Result<ObservationPtr> oldest = std::move(waiting_.front());
  waiting_.pop_front();
  if (waiting_.empty() && !over_) {
    eventfd_t count = 0;
    eventfd_read(ready_.get(), &count);
  }
  return oldest;
}

bool Subscription::ended() const {
  std::lock_guard lock(mutex_);
  return over_ && waiting_.empty();
}

std::optional<Error> Subscription::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

std::uint64_t Subscription::missed() const {
  std::lock_guard lock(mutex_);
  return missed_;
}

void Subscription::deliver(Result<ObservationPtr> what) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() == backlog_) {
    waiting_.pop_front();
    ++missed_;
  }
  waiting_.push_back(std::move(what));
  eventfd_write(ready_.get(), 1);
}

void Subscription::end(std::optional<Error> why) {
  std::lock_guard lock(mutex_);
  over_ = true;
  failure_ = std::move(why);
  eventfd_write(ready_.get(), 1);
}

}  // namespace tcpadvisor::observe
