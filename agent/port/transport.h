// SPDX-License-Identifier: Apache-2.0
// The one door below the driver: what it needs of a connected stream and of time. Behind it: the fake kernel with
// virtual time (fake.h), or a socket on a reactor (socket_transport.h).
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "agent/port/terms.h"

namespace tcpadvisor::port {

/// Result of one read or write: `bytes` moved, or `sys_errno` (EAGAIN: nothing now). A read of 0 bytes without an errno
/// is the peer's FIN.
struct Moved {
  std::size_t bytes = 0;
  int sys_errno = 0;
  bool try_later() const { return sys_errno == EAGAIN || sys_errno == EINTR; }
};

class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  virtual void writable() = 0;  ///< armed by want_writable(true); level-triggered
  virtual void readable() = 0;  ///< armed by want_readable(true); also for a FIN or an error
};

/// A connected, non-blocking stream. One thread.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void listen_to(TransportEvents* events) = 0;
  virtual Moved write(std::span<const iovec> parts) = 0;
  virtual Moved read(std::span<char> into) = 0;
  virtual void want_writable(bool on) = 0;
  virtual void want_readable(bool on) = 0;
  /// SHUT_RD, SHUT_WR, SHUT_RDWR. 0 or an errno.
  virtual int shutdown(int how) = 0;
  /// Afterwards nothing else may be called, and no event comes any more. `reset`: with RST instead of FIN (linger
  /// {true,0}).
  virtual void close(bool reset) = 0;
  /// Socket options that only the kernel knows (sndbuf, recbuf, nodelay). Ignored by the fake.
  virtual void set_buffers(int /*sndbuf*/, int /*recbuf*/) {}  ///< -1: leave it alone
  virtual void set_nodelay(bool /*on*/) {}
};

using TimerId = std::uint64_t;  ///< 0 is no timer

/// Now and later. Timers that are due together run in the order in which they were started.
class Timers {
 public:
  virtual ~Timers() = default;
  virtual Time now() const = 0;
  /// `what` runs once, from the loop, never from inside after(). A delay of 0 means the next turn.
  virtual TimerId after(Time delay, std::function<void()> what) = 0;
  virtual void cancel(TimerId timer) = 0;  ///< of a timer that has run, or 0: nothing
};

}  // namespace tcpadvisor::port
