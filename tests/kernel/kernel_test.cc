// SPDX-License-Identifier: Apache-2.0
// The tracer on the running kernel: what it counts against what the test itself did. Needs root; runs in a network
// namespace of its own. TCPADVISOR_TEST_HOOKS=fentry|kprobe|tp_btf forces the kind of the hooks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include "agent/kernel/privileges.h"
#include "agent/kernel/tracer.h"
#include "agent/os/privileges.h"
#include "tests/kernel/traffic.h"

namespace tcpadvisor::kernel {
namespace {

using std::chrono::milliseconds;

TracerOptions options_from_environment() {
  TracerOptions options;
  const char* hooks = std::getenv("TCPADVISOR_TEST_HOOKS");
  std::string kind = hooks != nullptr ? hooks : "";
  if (kind == "fentry") options.hooks = Hooks::fentry;
  if (kind == "kprobe") options.hooks = Hooks::kprobe;
  if (kind == "tp_btf") options.hooks = Hooks::tp_btf;
  return options;
}

RowFilter every_socket() {
  RowFilter filter;
  filter.all = true;
  return filter;
}

class KernelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static bool entered = traffic::enter_own_namespace(why_not_);
    if (!entered) return;
    tracer_ = Tracer::open(options_from_environment());
  }
  static void TearDownTestSuite() { tracer_.reset(); }

  void SetUp() override {
    if (!tracer_) GTEST_SKIP() << why_not_;
    // Kernels before 5.12 refuse the walks: there the agent reads sock_diag, which is not this room's.
    if (!tracer_->can_walk_sockets()) GTEST_SKIP() << "no iter/tcp here: " << why_no_walk();
  }

  static std::string why_no_walk() {
    for (const FactCoverage& line : tracer_->coverage()) {
      if (line.fact == FactId::snapshot) return line.attempts.front().why_not;
    }
    return "";
  }

  static SocketWalk walk(const RowFilter& filter = every_socket()) {
    auto result = tracer_->walk_sockets(filter);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return result.value_or(SocketWalk{});
  }

  static OwnerWalk owners(const RowFilter& filter = every_socket()) {
    auto result = tracer_->walk_owners(filter);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return result.value_or(OwnerWalk{});
  }

  /// The row whose local port is that of `fd` and whose state is `state`.
  static std::optional<SocketRow> row_of(int fd, const SocketWalk& from) {
    std::uint16_t port = traffic::local_port(fd);
    sockaddr_in peer = {};
    socklen_t size = sizeof peer;
    bool connected = getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
    for (const SocketRow& row : from.rows) {
      if (row.local.port == port && (!connected || row.remote.port == ntohs(peer.sin_port))) return row;
    }
    return std::nullopt;
  }

  static std::array<std::uint64_t, 5> closed_by_us() {
    auto life = tracer_->lifecycle();
    auto at = life ? life->closed_by_pid.find(static_cast<Pid>(getpid())) : decltype(life->closed_by_pid.find(0)){};
    return life && at != life->closed_by_pid.end() ? at->second : std::array<std::uint64_t, 5>{};
  }

  static std::string in_use(FactId fact) {
    for (const FactCoverage& line : tracer_->coverage()) {
      if (line.fact == fact) return line.in_use;
    }
    return "";
  }

  /// Polls until the condition holds; the kernel finishes closing in its own time.
  static bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 200; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(25));
    }
    return condition();
  }

  static inline std::unique_ptr<Tracer> tracer_;
  static inline std::string why_not_ = "not set up";
};

TEST_F(KernelTest, EveryFactHasASourceOrSaysWhy) {
  for (const FactCoverage& line : tracer_->coverage()) {
    EXPECT_FALSE(line.in_use.empty()) << name_of(line.fact) << ": "
                                      << (line.attempts.empty() ? "" : line.attempts.back().why_not);
    for (const Attempt& attempt : line.attempts)
      EXPECT_TRUE(attempt.works() || !attempt.why_not.empty()) << name_of(line.fact) << " " << attempt.source;
  }
}

TEST_F(KernelTest, TheForcedKindIsInUse) {
  auto hooks = options_from_environment().hooks;
  if (hooks == Hooks::any) GTEST_SKIP() << "TCPADVISOR_TEST_HOOKS is not set";
  const char* word = hooks == Hooks::fentry ? "fexit" : hooks == Hooks::kprobe ? "kprobe" : "tp_btf";
  EXPECT_THAT(in_use(FactId::calls), testing::HasSubstr(word));
}

TEST_F(KernelTest, BytesAndCallsOfALiveConnectionAreExact) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  std::uint64_t bytes = 0;
  for (std::size_t size : {1, 2, 3, 64, 100, 1000, 4096, 5000}) {
    for (int i = 0; i < 5; ++i) {
      traffic::send_exactly(pair.client.get(), size);
      traffic::receive_exactly(pair.server.get(), size);
      bytes += size;
    }
  }
  auto seen = walk();
  auto sender = row_of(pair.client.get(), seen), receiver = row_of(pair.server.get(), seen);
  ASSERT_TRUE(sender && receiver);
  EXPECT_EQ(*sender->bytes_sent - *sender->bytes_retrans, bytes);
  EXPECT_EQ(*receiver->bytes_received, bytes);
  EXPECT_EQ(*sender->bytes_acked, bytes);
  ASSERT_TRUE(sender->calls && receiver->calls);
  EXPECT_EQ(sender->calls->send.calls(), 40u);
  EXPECT_EQ(sender->calls->send.slots[3], 5u) << "1 byte";
  EXPECT_EQ(sender->calls->send.slots[4], 10u) << "2 and 3 bytes";
  EXPECT_EQ(sender->calls->send.slots[3 + 12], 10u) << "4096 and 5000 bytes";
  EXPECT_GE(receiver->calls->recv.calls(), 40u);
  EXPECT_LT(sender->calls->send.last_ms_ago.value_or(1u << 20), 60'000u);
}

TEST_F(KernelTest, AnEmptyReadThatDoesNotWaitCountsAsEagain) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::set_nonblocking(pair.client.get());
  char byte = 0;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(recv(pair.client.get(), &byte, 1, 0), -1);
  auto row = row_of(pair.client.get(), walk());
  ASSERT_TRUE(row && row->calls);
  EXPECT_EQ(row->calls->recv.eagain(), 7u);
}

TEST_F(KernelTest, SmallWritesBeforeAReadAreARun) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  for (int i = 0; i < 3; ++i) {
    traffic::send_exactly(pair.client.get(), 10);
    traffic::send_exactly(pair.client.get(), 20);
    traffic::receive_exactly(pair.server.get(), 30);
    traffic::send_exactly(pair.server.get(), 1);
    traffic::receive_exactly(pair.client.get(), 1);
  }
  auto row = row_of(pair.client.get(), walk());
  ASSERT_TRUE(row && row->calls);
  EXPECT_EQ(row->calls->small_write_runs, 3u);
}

TEST_F(KernelTest, ClosedConnectionsKeepTheirBytesAndCalls) {
  auto before = closed_by_us();
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
  ASSERT_TRUE(eventually([&] { return closed_by_us()[0] >= before[0] + 2; }));
  auto after = closed_by_us();
  EXPECT_EQ(after[0] - before[0], 2u);
  EXPECT_EQ(after[1] - before[1], 10'000u) << "bytes sent";
  EXPECT_EQ(after[2] - before[2], 10'000u) << "bytes received";
  EXPECT_EQ(after[3] - before[3], 10u) << "send calls";
}

TEST_F(KernelTest, TwentyThousandShortConnectionsAreTwentyThousandClosesOrCountedLosses) {
  constexpr std::uint64_t kConnections = 20'000;
  auto before = closed_by_us();
  auto lost_before = tracer_->lost()["socket_state"];
  auto listener = traffic::listen_on_loopback(64);
  for (std::uint64_t i = 0; i < kConnections; ++i) {
    auto pair = traffic::make_pair(listener);
    // The side that closes last keeps no TIME_WAIT: alternate, so that neither side runs out of ports.
    linger at_once{1, 0};
    pair.server.reset();
    setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  auto sum = [&] { return closed_by_us()[0] - before[0] + (tracer_->lost()["socket_state"] - lost_before); };
  EXPECT_TRUE(eventually([&] { return sum() >= 2 * kConnections; })) << sum();
  EXPECT_EQ(sum(), 2 * kConnections);
}

TEST_F(KernelTest, StatesHoldersAndAges) {
  auto listener = traffic::listen_on_loopback(8);
  auto leaked = traffic::make_pair(listener);       // CLOSE_WAIT, owned
  auto half_closed = traffic::make_pair(listener);  // FIN_WAIT_2, owned
  auto unaccepted = traffic::connect_to(listener.port);
  std::uint16_t unaccepted_port = traffic::local_port(unaccepted.get());
  std::uint16_t orphan_port = traffic::local_port(leaked.client.get());
  leaked.client.reset();
  shutdown(half_closed.client.get(), SHUT_WR);
  unaccepted.reset();
  std::this_thread::sleep_for(milliseconds(300));

  auto seen = walk();
  auto close_wait = row_of(leaked.server.get(), seen);
  ASSERT_TRUE(close_wait);
  EXPECT_EQ(close_wait->state, TcpState::close_wait);
  EXPECT_EQ(close_wait->holder, Holder::process);
  EXPECT_EQ(close_wait->recv_q, 0u) << "the FIN is not data";
  EXPECT_GE(close_wait->state_age_ms.value_or(0), 280u);
  EXPECT_LT(close_wait->state_age_ms.value_or(1u << 30), 60'000u);
  EXPECT_FALSE(close_wait->state_age_is_lower_bound);

  auto fin_wait_2 = row_of(half_closed.client.get(), seen);
  ASSERT_TRUE(fin_wait_2);
  EXPECT_EQ(fin_wait_2->state, TcpState::fin_wait_2);
  EXPECT_EQ(fin_wait_2->kind, SocketKind::full);
  EXPECT_EQ(fin_wait_2->holder, Holder::process);

  auto in_queue = std::ranges::find_if(seen.rows, [&](const SocketRow& row) {
    return row.local.port == listener.port && row.remote.port == unaccepted_port;
  });
  ASSERT_NE(in_queue, seen.rows.end());
  EXPECT_EQ(in_queue->state, TcpState::close_wait);
  EXPECT_EQ(in_queue->holder, Holder::unaccepted);

  auto orphan = std::ranges::find_if(seen.rows, [&](const SocketRow& row) { return row.local.port == orphan_port; });
  ASSERT_NE(orphan, seen.rows.end());
  EXPECT_EQ(orphan->state, TcpState::fin_wait_2);
  EXPECT_EQ(orphan->kind, SocketKind::timewait);
  EXPECT_EQ(orphan->holder, Holder::orphan);

  auto listening = row_of(listener.fd.get(), seen);
  ASSERT_TRUE(listening);
  EXPECT_EQ(listening->accept_queue, 1u);
  EXPECT_EQ(listening->accept_limit, 8u);

  auto port = std::ranges::find(seen.ports, listener.port, &PortTotals::port);
  ASSERT_NE(port, seen.ports.end());
  EXPECT_EQ(port->sockets[index_of(TcpState::close_wait)], 3u) << "leaked, half closed by the peer, unaccepted";
  EXPECT_EQ(port->unaccepted_close_wait, 1u);
}

TEST_F(KernelTest, QueuesAddUp) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 10'000);
  ASSERT_TRUE(eventually([&] {
    auto seen = walk();
    auto receiver = row_of(pair.server.get(), seen);
    auto sender = row_of(pair.client.get(), seen);
    return receiver && sender && receiver->recv_q == 10'000 && sender->send_q == 0;
  }));
  traffic::set_nonblocking(pair.client.get());
  std::vector<char> block(65'536, 'y');
  std::uint64_t accepted = 10'000;
  for (int i = 0; i < 2000; ++i) {
    ssize_t sent = send(pair.client.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      pollfd room{pair.client.get(), POLLOUT, 0};
      if (poll(&room, 1, 300) == 0) break;  // the peer's window is closed for good
      continue;
    }
    accepted += static_cast<std::uint64_t>(sent);
  }
  auto seen = walk();
  auto sender = row_of(pair.client.get(), seen), receiver = row_of(pair.server.get(), seen);
  ASSERT_TRUE(sender && receiver);
  EXPECT_EQ(sender->send_q + receiver->recv_q, accepted) << "what the kernel took is in one of the two queues";
  EXPECT_GT(*sender->not_sent, 0u);
  EXPECT_TRUE(*sender->nospace);
}

TEST_F(KernelTest, AClosedWindowMattersHoweverLittleWaits) {
  auto listener = traffic::listen_on_loopback(8, 4096);
  auto pair = traffic::make_pair(listener);
  traffic::set_nonblocking(pair.client.get());
  std::vector<char> block(2048, 'z');
  ASSERT_TRUE(eventually([&] {
    while (send(pair.client.get(), block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
    return row_of(pair.client.get(), walk())->snd_wnd == 0u;
  }));
  auto seen = walk(RowFilter{});  // only what matters: 64 KiB in a queue, or a reason like this one
  ASSERT_TRUE(row_of(pair.client.get(), seen));
  EXPECT_LT(row_of(pair.server.get(), walk())->recv_q, 65'536u);
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

TEST_F(KernelTest, OwnersAreJoinedByCookie) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 10);
  RowFilter unread;  // not every socket of the host: a busy one has more than the walk may name
  unread.min_recv_q = 10;
  auto row = row_of(pair.server.get(), walk());
  ASSERT_TRUE(row);
  auto held = owners(unread);
  auto owner = held.by_cookie.find(row->cookie);
  ASSERT_NE(owner, held.by_cookie.end());
  EXPECT_EQ(owner->second.pid, static_cast<Pid>(getpid()));
  EXPECT_EQ(owner->second.fd, pair.server.get());
  auto totals = std::ranges::find(held.owners, static_cast<Pid>(getpid()), &OwnerTotals::pid);
  ASSERT_NE(totals, held.owners.end());
  EXPECT_EQ(totals->sockets[index_of(TcpState::established)], 2u);
  EXPECT_EQ(totals->sockets[index_of(TcpState::listen)], 1u);
  EXPECT_GE(*totals->fds, 3u);
}

TEST_F(KernelTest, BufferLocksAreSeen) {
  auto listener = traffic::listen_on_loopback(8, 32'768);
  auto pair = traffic::make_pair(listener);
  auto seen = walk();
  EXPECT_TRUE(row_of(pair.server.get(), seen)->locks->rcvbuf) << "inherited from the listener";
  EXPECT_FALSE(row_of(pair.server.get(), seen)->locks->sndbuf);
  EXPECT_FALSE(row_of(pair.client.get(), seen)->locks->rcvbuf);
  EXPECT_EQ(*row_of(pair.server.get(), seen)->rcvbuf, 65'536u);
}

// Rows fill the kernel's 32 KB buffer many times; each time the kernel shows the same socket again.
TEST_F(KernelTest, NothingIsCountedTwiceWhenRowsFillTheBuffer) {
  auto listener = traffic::listen_on_loopback(400);
  std::vector<traffic::Pair> pairs;
  for (int i = 0; i < 300; ++i) pairs.push_back(traffic::make_pair(listener));
  auto with_rows = walk();
  RowFilter none;
  none.min_recv_q = none.min_send_q = 1u << 30;
  auto without_rows = walk(none);
  EXPECT_EQ(with_rows.states[index_of(TcpState::established)].count, 600u);
  EXPECT_EQ(without_rows.states[index_of(TcpState::established)].count, 600u);
  EXPECT_GE(with_rows.rows.size(), 601u);
  for (auto& pair : pairs) traffic::send_exactly(pair.client.get(), 1);
  RowFilter unread = none;
  unread.min_recv_q = 1;
  ASSERT_TRUE(eventually([&] { return walk(unread).rows.size() == 301; }));
  auto held = owners(unread).by_cookie;
  EXPECT_EQ(
      std::ranges::count_if(held, [](const auto& entry) { return entry.second.pid == static_cast<Pid>(getpid()); }),
      301);
}

TEST_F(KernelTest, MoreRowsThanTheLimitAreCounted) {
  TracerOptions options = options_from_environment();
  options.max_rows = 10;
  options.calls = Calls::off;
  auto small = Tracer::open(options);
  auto listener = traffic::listen_on_loopback(64);
  std::vector<traffic::Pair> pairs;
  for (int i = 0; i < 30; ++i) pairs.push_back(traffic::make_pair(listener));
  auto seen = small->walk_sockets(every_socket());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->rows.size(), 10u);
  EXPECT_EQ(seen->suppressed, 51u);
  EXPECT_EQ(seen->states[index_of(TcpState::established)].count, 60u) << "the totals stay complete";
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

TEST_F(KernelTest, AcceptQueuePeakIsKept) {
  if (in_use(FactId::accept_peak).find("sampled") != std::string::npos) GTEST_SKIP() << "no hook for the peak here";
  auto listener = traffic::listen_on_loopback(64);
  {
    std::vector<os::UniqueFd> clients;
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
  auto seen = small->walk_sockets(every_socket());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->states[index_of(TcpState::established)].count, 60u);
}

TEST_F(KernelTest, CallHooksCanBeStopped) {
  auto own = Tracer::open(options_from_environment());
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 10);
  own->stop_calls("over the budget");
  traffic::send_exactly(pair.client.get(), 10);
  auto seen = own->walk_sockets(every_socket());
  ASSERT_TRUE(seen);
  EXPECT_EQ(row_of(pair.client.get(), *seen)->calls->send.calls(), 1u);
  for (const FactCoverage& line : own->coverage()) {
    EXPECT_TRUE(line.fact != FactId::calls || line.in_use.empty());
  }
}

TEST_F(KernelTest, ReadingGoesOnWithoutPrivileges) {
  std::jthread thread([] {  // capabilities belong to a thread
    auto own = Tracer::open(options_from_environment());
    auto listener = traffic::listen_on_loopback(8);
    std::vector<int> needed;
    if (!readable_without_capabilities(*own)) needed.push_back(CAP_BPF);  // before 5.19
    ASSERT_TRUE(os::keep_only(needed));
    auto pair = traffic::make_pair(listener);
    traffic::send_exactly(pair.client.get(), 10);
    auto seen = own->walk_sockets(every_socket());
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(row_of(pair.client.get(), *seen)->calls->send.calls(), 1u);
    EXPECT_TRUE(own->walk_owners(every_socket()));
    EXPECT_TRUE(own->lifecycle());
  });
}

TEST_F(KernelTest, ProgramsAreMeasured) {
  ASSERT_TRUE(tracer_->measure(true));
  auto before = tracer_->cost();
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  for (int i = 0; i < 100; ++i) traffic::send_exactly(pair.client.get(), 1);
  std::uint64_t runs = 0;
  for (const auto& program : tracer_->cost().programs) {
    if (program.fact == FactId::calls) runs += program.run_count;
  }
  EXPECT_GE(runs, 100u);
  EXPECT_TRUE(tracer_->measure(false));
  EXPECT_FALSE(before.programs.empty());
}

}  // namespace
}  // namespace tcpadvisor::kernel
