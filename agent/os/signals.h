// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM as something to wait for, not as a handler that interrupts.
#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <utility>

#include "advisor/base/result.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::os {

/// Blocks SIGINT, SIGTERM and SIGHUP in the calling thread (and in threads started later, which is why main() opens
/// this first) and reads them from a signalfd. The old mask comes back in the destructor.
class StopSignals {
 public:
  static Result<std::unique_ptr<StopSignals>> open();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int fd() const { return fd_.get(); }  ///< readable when a signal waits; for poll() beside other descriptors
  /// Waits at most `timeout`. Returns the number of the first signal ever received, 0 if there was none. Sticky.
  int wait(std::chrono::milliseconds timeout);
  int received() { return wait(std::chrono::milliseconds(0)); }

  /// From now on SIGHUP is a wish to read the files again, and no reason to end.
  void let_hangup_reload() { hangup_reloads_ = true; }
  /// Whether one came since the last call, as far as wait() or received() have seen it.
  bool take_reload() { return std::exchange(reload_, false); }

 private:
  StopSignals(UniqueFd fd, const sigset_t& old_mask) : fd_(std::move(fd)), old_mask_(old_mask) {}

  UniqueFd fd_;
  sigset_t old_mask_;
  int first_ = 0;
  bool hangup_reloads_ = false, reload_ = false;
};

}  // namespace tcpadvisor::os
