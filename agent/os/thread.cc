// SPDX-License-Identifier: Apache-2.0
#include "agent/os/thread.h"

#include <pthread.h>

#include <exception>
#include <utility>

namespace tcpadvisor::os {

Error caught_error() {
  try {
    throw;
  } catch (const std::exception& error) {
    return {ErrorCode::failed, std::string("internal error: ") + error.what(), 0};
  } catch (...) {
    return {ErrorCode::failed, "internal error: an exception of no known type", 0};
  }
}

Thread::Thread(const char* name, std::function<void()> work)
    : thread_([this, name = std::string(name), work = std::move(work)] {
        pthread_setname_np(pthread_self(), name.c_str());
        try {
          work();
        } catch (...) {
          std::lock_guard lock(mutex_);
          failure_ = caught_error();
        }
      }) {}

void Thread::join() {
  if (thread_.joinable()) thread_.join();
}

std::optional<Error> Thread::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace tcpadvisor::os
