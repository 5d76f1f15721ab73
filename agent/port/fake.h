// SPDX-License-Identifier: Apache-2.0
// A world without a kernel: virtual time, and a stream whose "kernel" holds `capacity` bytes and says writable again
// when `writable_at` of them are free. Everything in it happens in the same order every time. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/port/timer_queue.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

class VirtualTime final : public Timers {
 public:
  Time now() const override { return now_; }
  TimerId after(Time delay, std::function<void()> what) override {
    return timers_.add(now_ + std::max(delay, Time::zero()), std::move(what));
  }
  void cancel(TimerId timer) override { timers_.cancel(timer); }

  /// Runs what is due now, and what that makes due at once; at most `limit` timers. False if more were left.
  bool settle(std::size_t limit = 1'000'000) { return run_until(now_, limit); }
  /// Time goes on by `span`, and every timer on the way runs at its own time.
  bool advance(Time span, std::size_t limit = 1'000'000);
  bool idle() const { return timers_.empty(); }

 private:
  bool run_until(Time end, std::size_t limit);

  Time now_{};
  TimerQueue timers_;
};

struct FakeKernel {
  std::uint64_t capacity = 0;     ///< bytes that it takes before EAGAIN
  std::uint64_t writable_at = 1;  ///< free bytes at which an armed writer is told
};

/// The wire and both kernels. The port holds the near end; the far end is the peer, played by a script or a test.
class FakeWire {
 public:
  FakeWire(Timers& timers, FakeKernel kernel);
  ~FakeWire();

  std::unique_ptr<Transport> take_near();  ///< once

  // ---- the peer ----
  std::string peer_read(std::uint64_t bytes);  ///< takes them out of the kernel; fewer if there are fewer
  void peer_write(std::string_view bytes);
  void peer_shutdown();  ///< FIN towards the port
  void peer_reset();     ///< RST: the port's next write or read fails

  std::uint64_t in_kernel() const;  ///< bytes that the peer has not read
  bool fin_sent() const;            ///< the port has sent FIN; it follows after the bytes
  bool reset_sent() const;          ///< the port has sent RST
  bool closed() const;
  const std::vector<std::size_t>& write_sizes() const;  ///< of the write calls that moved bytes
  void set_kernel(FakeKernel kernel);

 private:
  class Near;
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace tcpadvisor::port
