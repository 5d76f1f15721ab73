// SPDX-License-Identifier: Apache-2.0
// One who wants observations: a screen, a report, a recording, a server. It takes them when it has time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "advisor/base/result.h"
#include "agent/observe/observation.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::observe {

/// One thread takes, the observer's delivers; neither waits for the other.
class Subscription {
 public:
  /// Holds at most `backlog` deliveries (at least one); a newer one then takes the place of the oldest.
  static Result<std::shared_ptr<Subscription>> open(std::size_t backlog);

  /// Readable while take() has something or ended() is true; for poll().
  int fd() const { return ready_.get(); }
  /// The oldest that was not taken yet, an Error for a tick that failed; nothing if none waits.
  std::optional<Result<ObservationPtr>> take();
  /// No more will come, and all that came was taken.
  bool ended() const;
  /// Why it ended, unless by plan. Only after ended().
  std::optional<Error> failure() const;
  /// Deliveries that had to make room because they were not taken in time.
  std::uint64_t missed() const;

  /// For the observer. Never waits.
  void deliver(Result<ObservationPtr> what);
  void end(std::optional<Error> why);

 private:
  Subscription(os::UniqueFd ready, std::size_t backlog);

  os::UniqueFd ready_;  // an eventfd
  const std::size_t backlog_;
  mutable std::mutex mutex_;
  std::deque<Result<ObservationPtr>> waiting_;
  std::uint64_t missed_ = 0;
  bool over_ = false;
  std::optional<Error> failure_;
};

}  // namespace tcpadvisor::observe
