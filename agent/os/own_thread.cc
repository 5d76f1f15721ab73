// SPDX-License-Identifier: Apache-2.0
#include "agent/os/own_thread.h"

#include <system_error>

#include "agent/os/proc_root.h"
#include "agent/os/thread.h"

namespace tcpadvisor::os {

Status in_own_thread(const std::function<void()>& work) {
  try {
    Thread thread("once", work);
    thread.join();
    auto failure = thread.failure();
    return failure ? Status(std::unexpected(*failure)) : Status();
  } catch (const std::system_error& error) {  // RLIMIT_NPROC, pids.max
    return fail_errno("cannot start a thread", error.code().value());
  }
}

}  // namespace tcpadvisor::os
