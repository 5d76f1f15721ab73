// SPDX-License-Identifier: Apache-2.0
// One piece of work in a thread of its own: for setns(), which moves the calling thread.
#pragma once

#include <functional>

#include "advisor/base/result.h"

namespace tcpadvisor::os {

/// Runs `work` and waits for its end. Fails, without having run it, where no thread can be started.
Status in_own_thread(const std::function<void()>& work);

}  // namespace tcpadvisor::os
