// SPDX-License-Identifier: Apache-2.0
// A thread that has a name, and whose exceptions do not end the process.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "advisor/base/result.h"

namespace tcpadvisor::os {

/// For a catch block: what was caught, as "internal error: …" with the code `failed`.
Error caught_error();

/// Runs `work` in a thread of its own and joins it in the destructor; whoever owns one sees to it that the work ends.
class Thread {
 public:
  /// `name` is what top, gdb and /proc/PID/task/*/comm show, at most 15 bytes. Throws std::system_error where no thread
  /// can be started, as std::thread does. The thread begins with the privileges of the caller.
  Thread(const char* name, std::function<void()> work);
  ~Thread() { join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  void join();
  /// What the work threw, if that has ended it.
  std::optional<Error> failure() const;

 private:
  mutable std::mutex mutex_;
  std::optional<Error> failure_;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace tcpadvisor::os
