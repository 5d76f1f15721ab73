// SPDX-License-Identifier: Apache-2.0
// One thread that runs what it is given, one piece after the other. It keeps setns() and slow walks away from the
// caller.
#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <queue>

#include "agent/os/thread.h"

namespace tcpadvisor::os {

class Worker {
 public:
  explicit Worker(const char* name) : thread_(name, [this] { loop(); }) {}  ///< as os::Thread
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs `work` in the worker's thread. Exceptions come out of the future.
  template <typename F>
  auto run(F work) -> std::future<decltype(work())> {
    auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
    auto result = task->get_future();
    post([task] { (*task)(); });
    return result;
  }

 private:
  void post(std::function<void()> task);
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::queue<std::function<void()>> tasks_;
  bool stop_ = false;
  Thread thread_;  // last: it uses the members above
};

}  // namespace tcpadvisor::os
