// SPDX-License-Identifier: Apache-2.0
// What keeps a sender waiting, and for how long: the steps that the kernel's own tests of tcp_info take with
// packetdrill (tools/testing/selftests/net/packetdrill/tcp_tcp_info_*), with their bands, and our rows in the place of
// tcp_info.
#include <fcntl.h>
#include <linux/tcp.h>
#include <poll.h>
#include <time.h>

#include <filesystem>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/kernel/kernel_test.h"
#include "tests/kernel/tun_peer.h"

namespace tcpadvisor::kernel::limiter_clock_test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kTries = 4;  // as the kernel's own tests do: another program may have the processor just then
constexpr double kEarly = 2, kLate = 10;  // ms: "98 to 110" for 100

double ms_since(Clock::time_point then) {
  return std::chrono::duration<double, std::milli>(Clock::now() - then).count();
}

/// The kernel keeps these clocks in its own ticks.
double tick_ms() {
  timespec resolution = {};
  clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
  return static_cast<double>(resolution.tv_nsec) / 1e6;
}

double sndbuf_limited_ms(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
  return static_cast<double>(info.tcpi_sndbuf_limited) / 1'000;
}

/// Fixed steps; what does not fit is noted and the whole tried again.
struct Steps {
  std::string wrong;
  void expect(const char* what, std::optional<double> value, double least, double most) {
    if (value && *value >= least && *value <= most) return;
    wrong += std::string(what) + " = " + (value ? std::to_string(*value) : "nothing") + ", not in " +
             std::to_string(least) + " .. " + std::to_string(most) + "; ";
  }
  void expect_time(const char* what, std::optional<std::uint64_t> us, double expected_ms) {
    std::optional<double> ms;
    if (us) ms = static_cast<double>(*us) / 1'000;
    expect(what, ms, expected_ms - kEarly - tick_ms(), expected_ms + kLate + tick_ms());
  }
};

class LimiterClock : public KernelTest {
 protected:
  static void SetUpTestSuite() {
    KernelTest::SetUpTestSuite();
    if (tracer_) peer_.emplace(traffic::TunPeer::open(why_no_peer_));
  }
  static void TearDownTestSuite() {
    peer_.reset();
    KernelTest::TearDownTestSuite();
  }
  void SetUp() override {
    KernelTest::SetUp();
    std::error_code none;
    if (std::filesystem::read_symlink("/proc/1/exe", none).filename() == "busybox") {
      GTEST_SKIP() << "the emulated processors of a guest are too slow for these bands";
    }
    if (!IsSkipped() && !(peer_ && *peer_)) GTEST_SKIP() << why_no_peer_;
  }

  static SocketRow row(int fd) { return row_of(fd, walk()).value_or(SocketRow{}); }

  template <typename Play>
  static void play(Play steps) {
    std::string wrong;
    for (int i = 0; i < kTries; ++i) {
      Steps noted;
      steps(noted);
      if (noted.wrong.empty()) return;
      wrong += "\n" + noted.wrong;
    }
    FAIL() << "in " << kTries << " tries:" << wrong;
  }

  static void send(int fd, std::size_t bytes) { traffic::send_exactly(fd, bytes); }
  static void pause(int ms) { std::this_thread::sleep_for(milliseconds(ms)); }

  static inline std::optional<traffic::TunPeer> peer_;
  static inline std::string why_no_peer_ = "no TUN device";
};

TEST_F(LimiterClock, TimeWithoutRoomAtThePeerIsItsWindows) {
  play([](Steps& steps) {
    os::UniqueFd fd = peer_->connect();
    auto begun = Clock::now();
    send(fd.get(), 1'000);
    pause(10);
    peer_->take();
    peer_->acknowledge(0);
    double busy = ms_since(begun);

    send(fd.get(), 1'000);  // the window is closed: from now on the peer limits
    const auto closed = Clock::now();
    begun = closed;
    pause(100);
    steps.expect_time("rwnd_limited at 100 ms", row(fd.get()).rwnd_limited_us, ms_since(closed));
    while (ms_since(closed) < 200) pause(1);
    peer_->take();
    peer_->acknowledge(10);  // a crumb is no room for a segment
    steps.expect_time("rwnd_limited at 200 ms", row(fd.get()).rwnd_limited_us, ms_since(closed));
    while (ms_since(closed) < 300) pause(1);
    peer_->take();
    peer_->acknowledge(60'000);
    const double limited = ms_since(closed);
    pause(20);
    peer_->take();
    peer_->acknowledge(60'000);
    busy += ms_since(begun);
    SocketRow now = row(fd.get());
    steps.expect_time("rwnd_limited", now.rwnd_limited_us, limited);
    steps.expect_time("busy", now.busy_us, busy);

    begun = Clock::now();
    send(fd.get(), 1'000);
    pause(20);
    peer_->take();
    peer_->acknowledge(60'000);
    busy += ms_since(begun);
    now = row(fd.get());
    steps.expect_time("rwnd_limited at the end", now.rwnd_limited_us, limited);
    steps.expect_time("busy at the end", now.busy_us, busy);
    steps.expect("sndbuf_limited", now.sndbuf_limited_us, 0, 0);
  });
}

TEST_F(LimiterClock, TimeWithoutRoomInTheSendBufferIsItsOwn) {
  play([](Steps& steps) {
    os::UniqueFd fd = peer_->connect();
    const int size = 10'000;  // the kernel doubles it
    ASSERT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    // The kernel starts this clock when it sends the last that there is while the program waits for room: with a pace
    // of its own that is what happens each time. Without one a segment of 64 KiB leaves before the program begins to
    // wait.
    const unsigned pace = 20'000'000;
    ASSERT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_MAX_PACING_RATE, &pace, sizeof pace), 0);
    constexpr std::uint64_t kAll = 700'000;
    std::thread writer([&] { send(fd.get(), kAll); });
    // All that comes is acknowledged 20 ms after the last of it. In some rounds the congestion window has a say; in
    // which ones it has not, tcp_info tells: those last as long as we wait.
    constexpr int kQuietMs = 4;
    std::optional<Clock::time_point> begun;
    std::uint64_t before = 0;
    std::size_t rounds = 0;
    double waited = 0, told_ms = 0;
    for (const auto start = Clock::now(); before < kAll && ms_since(start) < 5'000;) {
      const auto asked = Clock::now();
      if (peer_->take(milliseconds(kQuietMs)) == before) continue;
      if (!begun) begun = asked;
      before = peer_->taken();
      const auto quiet = Clock::now() - milliseconds(kQuietMs);
      pause(20 - kQuietMs);
      const double so_far = sndbuf_limited_ms(fd.get());
      peer_->acknowledge(65'535);
      if (so_far > told_ms) {
        ++rounds;
        waited += ms_since(quiet);
      }
      told_ms = so_far;
    }
    writer.join();
    ASSERT_TRUE(begun);
    const SocketRow now = row(fd.get());
    const auto slack = static_cast<double>(rounds) * (kEarly + tick_ms());
    steps.expect("rounds", static_cast<double>(rounds), 2, 1'000);
    steps.expect("rwnd_limited", now.rwnd_limited_us, 0, 0);
    steps.expect_time("busy", now.busy_us, ms_since(*begun));
    std::optional<double> limited;
    if (now.sndbuf_limited_us) limited = static_cast<double>(*now.sndbuf_limited_us) / 1'000;
    steps.expect("sndbuf_limited", limited, waited - slack, waited + slack + kLate);
    steps.expect("sndbuf_limited as tcp_info has it", limited, told_ms - slack, told_ms + slack);
  });
}

TEST_F(LimiterClock, SilenceOfThePeerIsCountedFromItsLastData) {
  play([](Steps& steps) {
    os::UniqueFd fd = peer_->connect();
    peer_->send(100);
    const auto begun = Clock::now();
    pause(1'000);
    const double silent = ms_since(begun);
    steps.expect("last_data_recv after a second", row(fd.get()).last_data_recv_ms, silent - kLate - tick_ms(),
                 silent + kLate + tick_ms());
    peer_->send(1'000);
    const auto again = Clock::now();
    const std::optional<std::uint32_t> now = row(fd.get()).last_data_recv_ms;
    steps.expect("last_data_recv", now, 0, kLate + tick_ms() + ms_since(again));
  });
}

TEST_F(LimiterClock, WhatWasNotSentDecidesWhenTheProgramMayWriteAgain) {
  play([](Steps& steps) {
    os::UniqueFd fd = peer_->connect();
    traffic::set_nonblocking(fd.get());
    const int mark = 4'000;
    ASSERT_EQ(setsockopt(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &mark, sizeof mark), 0);
    const std::vector<char> bytes(59'000, 'x');
    const ssize_t written = ::send(fd.get(), bytes.data(), bytes.size(), 0);
    steps.expect("bytes that were taken", static_cast<double>(written), 4'000, 58'999);
    bool was_room = false;
    for (int i = 0; i < 60 && !was_room; ++i) {
      peer_->take();
      const SocketRow now = row(fd.get());
      const auto unsent = static_cast<double>(written) - static_cast<double>(peer_->taken());
      steps.expect("not_sent", now.not_sent, unsent, unsent);
      steps.expect("send_q", now.send_q, unsent, static_cast<double>(written));
      pollfd ask{.fd = fd.get(), .events = POLLOUT, .revents = 0};
      const bool room = poll(&ask, 1, 0) == 1;
      steps.expect("room for the program", room ? 1 : 0, unsent < mark / 2 ? 1 : 0, unsent < mark / 2 ? 1 : 0);
      was_room = room;
      peer_->acknowledge(65'535);
    }
    steps.expect("room in the end", was_room ? 1 : 0, 1, 1);
  });
}

TEST_F(LimiterClock, AQueuedFinIsNoByteToRead) {
  os::UniqueFd fd = peer_->connect();
  peer_->send(1'000, true);
  ASSERT_TRUE(eventually([&] { return row(fd.get()).state == TcpState::close_wait; }));
  EXPECT_EQ(row(fd.get()).recv_q, 1'000u);
}

}  // namespace
}  // namespace tcpadvisor::kernel::limiter_clock_test
