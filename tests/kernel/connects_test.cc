// SPDX-License-Identifier: Apache-2.0
// Connections that we open: how many local ports they take, and how attempts end that fail.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::connects_test {
namespace {

constexpr int kOn = 1;

TEST_F(KernelTest, LocalPortsAreCountedTowardsEachDestination) {
  constexpr std::uint64_t kOpen = 30, kTimeWait = 20;
  auto listener = traffic::listen_on_loopback(64), another = traffic::listen_on_loopback(64);
  std::vector<traffic::Pair> pairs;
  for (std::uint64_t i = 0; i < kOpen + kTimeWait; ++i) pairs.push_back(traffic::make_pair(listener));
  auto single = traffic::make_pair(another);
  for (std::uint64_t i = 0; i < kTimeWait; ++i) {
    pairs[i].client.reset();  // first: TIME_WAIT is ours
    EXPECT_EQ(traffic::receive_once(pairs[i].server.get(), 1), 0u);
    pairs[i].server.reset();
  }
  auto towards = [](std::uint16_t port, PortRange ports) {
    RowFilter filter = every_socket();
    filter.ports = ports;
    Seen seen = walk(filter);
    EXPECT_EQ(seen.destinations_uncounted, 0u);
    auto use = std::ranges::find_if(seen.port_use, [&](const PortUse& one) { return one.destination.port == port; });
    return use == seen.port_use.end() ? PortUse{} : *use;
  };
  const PortRange all{1, 65'535};
  EXPECT_TRUE(eventually([&] { return towards(listener.port, all).timewait == kTimeWait; }));
  PortUse use = towards(listener.port, all);
  EXPECT_EQ(use.used, kOpen + kTimeWait) << "and not the servers' ends of the same connections";
  EXPECT_EQ(use.source.text(), "127.0.0.1:0");
  EXPECT_EQ(use.destination.ip_text(), "127.0.0.1");
  EXPECT_EQ(towards(another.port, all).used, 1u);
  std::uint16_t only = traffic::local_port(single.client.get());
  EXPECT_EQ(towards(another.port, {only, only}).used, 1u);
  EXPECT_EQ(towards(listener.port, {only, only}).used, 0u) << "none of theirs is of the range";
}

TEST_F(KernelTest, PortsThatBindChoseAreCountedForTheirAddress) {
  auto listener = traffic::listen_on_loopback(64), another = traffic::listen_on_loopback(64);
  auto open = [&](std::uint16_t port, bool bind_first) {
    os::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    inet_pton(AF_INET, "127.0.0.77", &to.sin_addr);
    if (!bind_first) {
      EXPECT_EQ(setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &kOn, sizeof kOn), 0);
    }
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    to.sin_port = htons(port);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return fd;
  };
  std::vector<os::UniqueFd> fds;
  for (int i = 0; i < 20; ++i) fds.push_back(open(i % 2 == 0 ? listener.port : another.port, i < 16));
  RowFilter filter = every_socket();
  filter.ports = {1, 65'535};
  Seen seen = walk(filter);
  auto bound = std::ranges::find_if(seen.port_use, [](const PortUse& one) {
    return one.source.ip_text() == "127.0.0.77" && one.destination == Endpoint{};
  });
  ASSERT_NE(bound, seen.port_use.end());
  EXPECT_EQ(bound->used, 16u) << "connect() chose the others";
}

void try_to_connect(const char* address, std::uint16_t port) {
  os::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address, &to.sin_addr);
  EXPECT_NE(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
}

std::uint64_t counted(Tracer& tracer, std::uint16_t port, ConnectEnd end) {
  std::uint64_t sum = 0;
  for (const FailedConnects& one : tracer.failed_connects().value_or(std::vector<FailedConnects>{})) {
    if (one.pid == static_cast<Pid>(getpid()) && one.destination.port == port && one.end == end) sum += one.count;
  }
  return sum;
}

TEST_F(KernelTest, FailedAttemptsAreCountedByProcessDestinationAndReason) {
  if (!tracer_->failed_connects()) GTEST_SKIP() << "no hook sees them here";
  std::uint16_t closed_port = 0;
  {
    auto gone = traffic::listen_on_loopback(1);
    closed_port = gone.port;
  }
  for (int i = 0; i < 7; ++i) try_to_connect("127.0.0.1", closed_port);
  EXPECT_TRUE(eventually([&] { return counted(*tracer_, closed_port, ConnectEnd::refused) == 7; }));
  EXPECT_EQ(counted(*tracer_, closed_port, ConnectEnd::given_up), 0u);

  std::string source = in_use(FactId::connects);
  if (source.find("fib") != std::string::npos || source.find("tcp_v4_connect") != std::string::npos) {
    for (int i = 0; i < 5; ++i) try_to_connect("203.0.113.9", 443);  // no route in a namespace of our own
    EXPECT_EQ(counted(*tracer_, 443, ConnectEnd::unreachable), 5u);
  }

  // Neither one that succeeds, nor the end of one that did.
  auto listener = traffic::listen_on_loopback(8);
  for (int i = 0; i < 5; ++i) traffic::make_pair(listener);
  for (ConnectEnd end : {ConnectEnd::refused, ConnectEnd::unreachable, ConnectEnd::given_up, ConnectEnd::no_port})
    EXPECT_EQ(counted(*tracer_, listener.port, end), 0u);
}

}  // namespace
}  // namespace tcpadvisor::kernel::connects_test
