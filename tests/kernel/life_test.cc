// SPDX-License-Identifier: Apache-2.0
// What the hooks count over the life of connections, and that nothing is lost unseen.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::life_test {
namespace {

using std::chrono::milliseconds;

// The totals are the host's: another program's connection may end meanwhile, so one round of five must be exact.
TEST_F(KernelTest, ClosedConnectionsKeepTheirBytesAndCalls) {
  auto round = [] {
    LifecycleTotals before = life();
    {
      auto listener = traffic::listen_on_loopback(8);
      auto pair = traffic::make_pair(listener);
      for (int i = 0; i < 10; ++i) {
        traffic::send_exactly(pair.client.get(), 1000);
        traffic::receive_exactly(pair.server.get(), 1000);
      }
      pair.client.reset();
      EXPECT_EQ(traffic::receive_once(pair.server.get(), 10), 0u);
    }
    EXPECT_TRUE(eventually([&] { return life().closed >= before.closed + 2; }));
    LifecycleTotals after = life();
    return std::array{after.closed - before.closed, after.bytes_sent - before.bytes_sent,
                      after.bytes_received - before.bytes_received, after.send_calls - before.send_calls};
  };
  const std::array<std::uint64_t, 4> exact{2, 10'000, 10'000, 10};
  auto seen = round();
  for (int i = 1; i < 5 && seen != exact; ++i) seen = round();
  EXPECT_EQ(seen, exact) << "closed, bytes sent, bytes received, send calls";
}

TEST_F(KernelTest, TwentyThousandShortConnectionsAreTwentyThousandClosesOrCountedLosses) {
  constexpr std::uint64_t kConnections = 20'000;
  auto losses = [] {
    auto lost = tracer_->lost();
    return lost["socket_state"] + lost["missed_runs"];
  };
  std::uint64_t closed_before = life().closed, lost_before = losses();
  auto listener = traffic::listen_on_loopback(64);
  for (std::uint64_t i = 0; i < kConnections; ++i) {
    auto pair = traffic::make_pair(listener);
    // The side that closes last keeps no TIME_WAIT: alternate, so that neither side runs out of ports.
    linger at_once{1, 0};
    pair.server.reset();
    setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  auto sum = [&] { return life().closed - closed_before + (losses() - lost_before); };
  // One of a thousand may be missing: see the note on kernels in virtual machines below. On one of them both copies of
  // the program and perf were called 39,998 times for 40,000 closes, with no run left out.
  EXPECT_TRUE(eventually([&] { return sum() >= 2 * kConnections - kConnections / 500; })) << sum();
  EXPECT_LT(sum(), 2 * kConnections + kConnections / 50)
      << "and the few that other programs of the host may have closed";
}

// A softirq may interrupt the hook on this processor; the kernel does not run it a second time then.
TEST_F(KernelTest, StateChangesInAnInterruptAreNotLost) {
  constexpr std::uint64_t kConnections = 10'000, kThreads = 2;
  std::string why_not = "not tried";
  std::uint64_t before = life().closed, missed_before = tracer_->lost()["missed_runs"];
  std::thread([&] {
    if (!traffic::spread_receive_work(why_not)) return;
    why_not.clear();
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (std::uint64_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([] {
        auto listener = traffic::listen_on_loopback(64);
        for (std::uint64_t k = 0; k < kConnections; ++k) {
          auto pair = traffic::make_pair(listener);
          traffic::send_exactly(pair.server.get(), 1);  // accept() may return before the handshake has ended
          traffic::receive_exactly(pair.client.get(), 1);
          linger at_once{1, 0};
          pair.server.reset();
          setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
      });
    }
  }).join();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  // The bounds are wide because some kernels in virtual machines show a few events to no tracer at all, perf included.
  constexpr std::uint64_t kCloses = 2 * kThreads * kConnections;
  auto closed = [&] { return life().closed - before; };
  EXPECT_TRUE(eventually([&] { return closed() >= kCloses * 49 / 50; })) << closed();
  EXPECT_LT(closed(), kCloses * 51 / 50) << "none twice";
  EXPECT_LE(tracer_->lost()["missed_runs"] - missed_before, 20u) << "one copy of the program misses 50 and more";
}

TEST_F(KernelTest, WaitingSendersAreTimed) {
  if (in_use(FactId::waiting).find("sampled") != std::string::npos)
    GTEST_SKIP() << "no hook for waiting here: " << in_use(FactId::waiting);
  auto listener = traffic::listen_on_loopback(8, 4096);
  auto pair = traffic::make_pair(listener);
  int small = 4096;
  setsockopt(pair.client.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  std::jthread reader([&] {
    std::this_thread::sleep_for(milliseconds(400));
    traffic::receive_exactly(pair.server.get(), 400'000);
  });
  traffic::send_exactly(pair.client.get(), 400'000);
  auto row = row_of(pair.client.get(), walk());
  ASSERT_TRUE(row);
  EXPECT_GE(row->blocked_us.value_or(0), 300'000u);
  EXPECT_GE(row->blocked_count.value_or(0), 1u);
}

TEST_F(KernelTest, ACloseWithUnreadDataIsSeen) {
  auto before = tracer_->lifecycle()->unread_bytes_at_close;
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 777);
  ASSERT_TRUE(eventually([&] { return row_of(pair.server.get(), walk())->recv_q == 777; }));
  pair.server.reset();
  EXPECT_GE(tracer_->lifecycle()->unread_bytes_at_close - before, 777u);
}

// The totals are the host's, as above.
TEST_F(KernelTest, DataIsLostByWhoAbortsNotByWhoIsReset) {
  auto lost_when = [](os::UniqueFd traffic::Pair::* aborts) {
    auto listener = traffic::listen_on_loopback(8, 4096);
    auto pair = traffic::make_pair(listener);
    const std::string much(300'000, 'x');  // more than the other end takes
    while (send(pair.client.get(), much.data(), much.size(), MSG_DONTWAIT) > 0) {
    }
    const std::uint64_t before = life().unsent_at_close, closed = life().closed;
    linger at_once{1, 0};
    setsockopt((pair.*aborts).get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (pair.*aborts).reset();
    EXPECT_TRUE(eventually([&] { return life().closed >= closed + 2; }));
    return life().unsent_at_close - before;
  };
  auto until = [&](os::UniqueFd traffic::Pair::* aborts, std::uint64_t exact) {
    std::uint64_t seen = lost_when(aborts);
    for (int i = 1; i < 5 && seen != exact; ++i) seen = lost_when(aborts);
    EXPECT_EQ(seen, exact);
  };
  until(&traffic::Pair::client, 1);
  until(&traffic::Pair::server, 0);
}

TEST_F(KernelTest, AcceptQueuePeakIsKept) {
  if (in_use(FactId::accept_peak).find("sampled") != std::string::npos) GTEST_SKIP() << "no hook for the peak here";
  auto listener = traffic::listen_on_loopback(64);
  {
    std::vector<os::UniqueFd> clients;
    clients.reserve(20);
    for (int i = 0; i < 20; ++i) clients.push_back(traffic::connect_to(listener.port));
    for (int i = 0; i < 20; ++i) traffic::accept_from(listener);
  }
  auto row = row_of(listener.fd.get(), walk());
  ASSERT_TRUE(row);
  EXPECT_EQ(row->accept_queue, 0u);
  EXPECT_EQ(row->accept_peak, 20u);
}

TEST_F(KernelTest, AFullTableIsCountedAndNothingElseSuffers) {
  TracerOptions options = options_from_environment();
  if (in_use(FactId::calls).find("kprobe") == std::string::npos)
    GTEST_SKIP() << "the bounded table serves kprobes only; here: " << in_use(FactId::calls);
  options.max_flows = 4;
  auto small = Tracer::open(options);
  auto listener = traffic::listen_on_loopback(64);
  std::vector<traffic::Pair> pairs;
  for (int i = 0; i < 30; ++i) {
    pairs.push_back(traffic::make_pair(listener));
    traffic::send_exactly(pairs.back().client.get(), 10);
  }
  EXPECT_GT(small->lost()["socket_state"], 0u);
  auto seen = walk_with(*small);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->states[index_of(TcpState::established)].count, 60u);
}

}  // namespace
}  // namespace tcpadvisor::kernel::life_test
