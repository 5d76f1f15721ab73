// SPDX-License-Identifier: Apache-2.0
// The one loop: a tick, what is remembered, what the rules say about it, and who wants to know.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/verdict/standing.h"
#include "agent/collect/collector.h"
#include "agent/observe/rest.h"
#include "agent/observe/schedule.h"
#include "agent/observe/subscription.h"
#include "agent/os/clock.h"
#include "agent/os/thread.h"

namespace tcpadvisor::observe {

struct ObserverOptions {
  Schedule schedule;
  Policy policy;
  std::size_t older_ticks = 0;        ///< remembered of the time before the policy's windows, see Keep
  std::chrono::milliseconds rest{0};  ///< longest time between two looks at a quiet host; 0: a look at each tick
  bool findings_stand = false;  ///< each tick is judged after the one before: a finding goes away at its lower marks
};

/// Ticks and judges in a thread of its own, so that neither a slow walk delays a key nor a slow reader a tick. A tick
/// that fails or throws is delivered as its Error, and the next one comes; only when the first one fails is that the
/// end.
class Observer {
 public:
  /// Nothing happens before start(). `collector` is used by the observer's thread alone from then on; both outlive
  /// this.
  Observer(ObserverOptions options, collect::Collector& collector, os::SleepClock& clock);
  ~Observer();  ///< waits for a tick under way
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// At any time, from any thread. Whoever comes late gets the latest observation at once.
  Result<std::shared_ptr<Subscription>> subscribe(std::size_t backlog = 1);
  /// Once. The thread has the privileges of the caller.
  void start();
  /// Of the ticks from now on. From any thread.
  void judge_by(Policy policy);
  /// Null before the first tick. From any thread.
  ObservationPtr latest() const;

 private:
  void loop();
  bool spared();
  Result<ObservationPtr> observe();
  void publish(Result<ObservationPtr> what);
  void end(std::optional<Error> why);

  const ObserverOptions options_;
  Policy policy_;  // the thread's
  collect::Collector& collector_;
  os::SleepClock& clock_;
  Window window_;      // the thread's
  Standing standing_;  // the thread's, as what follows
  Rest rest_;
  std::uint64_t looks_spared_ = 0;

  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_;
  ObservationPtr latest_;
  std::optional<Policy> next_policy_;
  bool over_ = false;
  std::optional<Error> failure_;

  std::atomic<bool> stop_ = false;
  std::optional<os::Thread> thread_;  // last: it uses the members above
};

}  // namespace tcpadvisor::observe
