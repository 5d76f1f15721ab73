// SPDX-License-Identifier: Apache-2.0
#include "agent/os/signals.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>

namespace tcpadvisor::os {

Result<std::unique_ptr<StopSignals>> StopSignals::open() {
  sigset_t wanted, old_mask;
  sigemptyset(&wanted);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, number);
  if (int error = pthread_sigmask(SIG_BLOCK, &wanted, &old_mask); error != 0) {
    return fail(ErrorCode::failed, "cannot block SIGINT and SIGTERM", error);
  }
  UniqueFd fd(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &old_mask, nullptr);
    return fail(ErrorCode::failed, "signalfd() failed", error);
  }
  return std::unique_ptr<StopSignals>(new StopSignals(std::move(fd), old_mask));
}

StopSignals::~StopSignals() {
  wait(std::chrono::milliseconds(0));  // a signal still pending would kill us as soon as the old mask is back
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

int StopSignals::wait(std::chrono::milliseconds timeout) {
  if (first_ == 0) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    poll(&waiting, 1,
         static_cast<int>(std::clamp<std::int64_t>(timeout.count(), 0, INT_MAX)));  // below 0 it would wait for ever
  }
  signalfd_siginfo info{};
  while (read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (hangup_reloads_ && info.ssi_signo == SIGHUP) {
      reload_ = true;
      continue;
    }
    if (first_ == 0) first_ = static_cast<int>(info.ssi_signo);
  }
  return first_;
}

}  // namespace tcpadvisor::os
