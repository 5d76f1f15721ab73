// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/observer.h"

#include <algorithm>
#include <utility>

#include "advisor/rules/words.h"
#include "advisor/verdict/verdict.h"

namespace tcpadvisor::observe {

Observer::Observer(ObserverOptions options, collect::Collector& collector, os::SleepClock& clock)
    : options_(std::move(options)), policy_(options_.policy), collector_(collector), clock_(clock) {}

Observer::~Observer() {
  stop_ = true;
  clock_.interrupt();
}

Result<std::shared_ptr<Subscription>> Observer::subscribe(std::size_t backlog) {
  auto opened = Subscription::open(backlog);
  if (!opened) return opened;
  std::lock_guard lock(mutex_);
  if (latest_) (*opened)->deliver(latest_);
  if (over_) (*opened)->end(failure_);
  subscriptions_.push_back(*opened);
  return opened;
}

void Observer::start() {
  thread_.emplace("observer", [this] {
    try {
      loop();
    } catch (...) {
      end(os::caught_error());
    }
  });
}

void Observer::judge_by(Policy policy) {
  std::lock_guard lock(mutex_);
  next_policy_ = std::move(policy);
}

ObservationPtr Observer::latest() const {
  std::lock_guard lock(mutex_);
  return latest_;
}

void Observer::loop() {
  const std::uint64_t start = clock_.mono_ns();
  std::uint64_t due = start;
  while (true) {
    if (!spared()) {
      Result<ObservationPtr> observation = observe();
      if (!observation && !latest()) return end(observation.error());
      rest_.looked(clock_.mono_ns(), !observation || worth_following(**observation));
      publish(std::move(observation));
    }
    auto next = options_.schedule.next_due_ns(start, due, clock_.mono_ns());
    if (stop_ || !next) break;
    due = *next;
    clock_.sleep_until(due);
    if (stop_) break;
  }
  if (auto at = options_.schedule.end_ns(start); at && !stop_) clock_.sleep_until(*at);
  end(std::nullopt);
}

bool Observer::spared() {
  // A window of the policy, which may be another one by now, holds two ticks all the same.
  const std::chrono::milliseconds longest = std::min(options_.rest, policy_.window / 2);
  if (longest <= options_.schedule.interval || !latest()) return false;
  try {
    const bool spared = rest_.spares(clock_.mono_ns(), collector_.happened(), longest);
    looks_spared_ += spared ? 1 : 0;
    return spared;
  } catch (...) {
    return false;  // the look will say what is wrong
  }
}

Result<ObservationPtr> Observer::observe() {
  try {
    Result<SamplePtr> sample = collector_.tick();
    if (!sample) return std::unexpected(sample.error());
    {
      std::lock_guard lock(mutex_);
      if (next_policy_) policy_ = *std::exchange(next_policy_, std::nullopt);
    }
    window_.push(std::move(*sample), keep_for(policy_, options_.older_ticks));
    Verdict verdict = judge(window_, policy_, standing_);
    if (options_.findings_stand) standing_ = verdict.standing;
    return std::make_shared<const Observation>(window_, std::move(verdict), policy_, looks_spared_);
  } catch (...) {
    return std::unexpected(os::caught_error());
  }
}

void Observer::publish(Result<ObservationPtr> what) {
  std::lock_guard lock(mutex_);
  if (what) latest_ = *what;
  std::erase_if(subscriptions_, [&](const std::weak_ptr<Subscription>& weak) {
    auto subscription = weak.lock();
    if (subscription) subscription->deliver(what);
    return subscription == nullptr;
  });
}

void Observer::end(std::optional<Error> why) {
  std::lock_guard lock(mutex_);
  over_ = true;
  failure_ = std::move(why);
  for (const auto& weak : subscriptions_) {
    if (auto subscription = weak.lock()) subscription->end(failure_);
  }
}

}  // namespace tcpadvisor::observe
