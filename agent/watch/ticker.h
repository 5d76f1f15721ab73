// SPDX-License-Identifier: Apache-2.0
// Ticks in a thread of their own, so that a slow walk over many sockets never delays a key.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::watch {

using Tick = std::function<Result<SamplePtr>()>;

/// When the next of a series of ticks is due. A tick that took longer than the interval delays the next, ticks are
/// never made up for.
std::chrono::steady_clock::time_point next_due(std::chrono::steady_clock::time_point due,
                                               std::chrono::milliseconds interval,
                                               std::chrono::steady_clock::time_point now);

class Ticker {
 public:
  static Result<std::unique_ptr<Ticker>> start(Tick tick, std::chrono::milliseconds interval);
  ~Ticker();  ///< waits for a tick under way
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  int fd() const { return ready_.get(); }  ///< readable when take() has something; for poll()
  std::vector<Result<SamplePtr>> take();   ///< what came since the last call, oldest first

 private:
  Ticker(os::UniqueFd ready, Tick tick, std::chrono::milliseconds interval);
  void loop();

  os::UniqueFd ready_;
  Tick tick_;
  std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Result<SamplePtr>> taken_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace tcpadvisor::watch
