// SPDX-License-Identifier: Apache-2.0
// Connections of a process by the network of their peers, against what the test itself opened.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::networks_test {
namespace {

using os::UniqueFd;
using std::chrono::milliseconds;

struct Ends {
  UniqueFd client, server;
};

/// A listener for IPv4, also in the form that programs for both families use.
UniqueFd listen_everywhere(std::uint16_t& port) {
  UniqueFd fd(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 any = {};
  any.sin6_family = AF_INET6;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 || listen(fd.get(), 4096) != 0) return {};
  sockaddr_in6 bound = {};
  socklen_t size = sizeof bound;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  port = ntohs(bound.sin6_port);
  return fd;
}

Ends connect_to(const UniqueFd& listener, const char* address, std::uint16_t port) {
  Ends ends;
  sockaddr_storage to = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&to);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&to);
  socklen_t size = sizeof *v4;
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  if (inet_pton(AF_INET, address, &v4->sin_addr) != 1) {
    size = sizeof *v6;
    v6->sin6_family = AF_INET6;
    inet_pton(AF_INET6, address, &v6->sin6_addr);
  }
  ends.client.reset(socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(ends.client.get(), reinterpret_cast<sockaddr*>(&to), size) == 0)
    ends.server.reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return ends;
}

void set(int fd, int level, int option) {
  const int on = 1;
  ASSERT_EQ(setsockopt(fd, level, option, &on, sizeof on), 0);
}

/// Of this process, at or to `port`.
std::vector<NetworkTotals> ours(const OwnerWalk& walk, std::uint16_t port) {
  std::vector<NetworkTotals> out;
  for (const NetworkTotals& one : walk.networks) {
    if (one.pid == static_cast<Pid>(getpid()) && one.port == port) out.push_back(one);
  }
  std::ranges::sort(out, {},
                    [](const NetworkTotals& one) { return std::tuple(one.accepted, one.network.v6, one.network); });
  return out;
}

std::uint32_t in_state(const NetworkTotals& one, TcpState state) {
  return one.sockets[index_of(state)];
}

class Networks : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (!IsSkipped() && !tracer_->can_walk_owners()) GTEST_SKIP() << "no iter/task_file here";
  }
};

TEST_F(Networks, CountsAreExactByPortNetworkAndSide) {
  std::uint16_t port = 0;
  UniqueFd listener = listen_everywhere(port);
  ASSERT_TRUE(listener);
  std::vector<Ends> near, far, six;
  for (int i = 0; i < 9; ++i) near.push_back(connect_to(listener, "127.0.0.1", port));
  for (int i = 0; i < 5; ++i) far.push_back(connect_to(listener, i % 2 == 0 ? "127.0.7.1" : "127.0.7.200", port));
  for (int i = 0; i < 4; ++i) six.push_back(connect_to(listener, "::1", port));
  for (int i = 0; i < 3; ++i) set(near[i].client.get(), SOL_SOCKET, SO_KEEPALIVE);
  for (int i = 0; i < 2; ++i) set(near[i].client.get(), IPPROTO_TCP, TCP_NODELAY);
  UniqueFd twice(dup(near[4].client.get()));
  for (const Ends& ends : near) {
    traffic::send_exactly(ends.client.get(), 1'000);
    traffic::receive_exactly(ends.server.get(), 1'000);
  }
  traffic::send_exactly(far[0].client.get(), 3'000);  // nobody reads
  shutdown(near[8].client.get(), SHUT_WR);
  ASSERT_TRUE(eventually([&] {
    auto list = ours(owners(), port);
    return list.size() == 5 && in_state(list[0], TcpState::fin_wait_2) == 1 && list[4].recv_q == 0;
  }));

  // The clients at 127.0.0.0/24, 127.0.7.0/24, ::/64; what was accepted came from 127.0.0.1 and ::1.
  std::vector<NetworkTotals> list = ours(owners(), port);
  ASSERT_EQ(list.size(), 5u);
  EXPECT_FALSE(list[0].accepted || list[1].accepted || list[2].accepted);
  EXPECT_TRUE(list[3].accepted && list[4].accepted);
  EXPECT_EQ(list[0].network.text(), "127.0.0.0:0");
  EXPECT_EQ(list[1].network.text(), "127.0.7.0:0");
  EXPECT_EQ(list[2].network.text(), "[::]:0");
  EXPECT_EQ(list[3].network.text(), "127.0.0.0:0") << "of a listener for both families";
  EXPECT_EQ(list[4].network.text(), "[::]:0");

  EXPECT_EQ(in_state(list[0], TcpState::established), 8u) << "a second descriptor is no second socket";
  EXPECT_EQ(in_state(list[0], TcpState::fin_wait_2), 1u);
  EXPECT_EQ(in_state(list[1], TcpState::established), 5u);
  EXPECT_EQ(in_state(list[2], TcpState::established), 4u);
  EXPECT_EQ(in_state(list[3], TcpState::established), 13u);
  EXPECT_EQ(in_state(list[3], TcpState::close_wait), 1u);
  EXPECT_EQ(in_state(list[4], TcpState::established), 4u);

  EXPECT_EQ(list[0].looked, 8u);
  EXPECT_EQ(list[0].one_in, 1u);
  EXPECT_EQ(list[0].keepalive, 3u);
  EXPECT_EQ(list[0].nodelay, 2u);
  EXPECT_EQ(list[0].bytes_sent, 8'000u);
  EXPECT_EQ(list[3].bytes_received, 8'000u + 3'000u);
  EXPECT_EQ(list[3].recv_q, 3'000u);
  EXPECT_GE(list[3].rmem, 3'000u);
  for (const NetworkTotals& one : list) {
    std::uint32_t idle = 0, silent = 0;
    for (std::uint32_t count : one.idle) idle += count;
    for (std::uint32_t count : one.silent) silent += count;
    EXPECT_EQ(idle, one.looked);
    EXPECT_EQ(silent, one.looked - one.keepalive.value_or(0));
    EXPECT_EQ(one.netns, list[0].netns);
  }
  EXPECT_GT(list[0].netns, 0u);
  EXPECT_EQ(list[0].resting_bytes, 0u) << "nothing rests for a minute yet";
}

TEST_F(Networks, OnlyThoseWhoseTurnItIsAreLookedAtAndAllAreCounted) {
  std::uint16_t port = 0;
  UniqueFd listener = listen_everywhere(port);
  ASSERT_TRUE(listener);
  std::vector<Ends> pairs;
  for (int i = 0; i < 200; ++i) pairs.push_back(connect_to(listener, "127.0.0.1", port));
  RowFilter none;
  none.min_recv_q = none.min_send_q = 1u << 30;
  auto list = ours(owners(none), port);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].connections(), 200u);
  EXPECT_EQ(list[0].looked, 0u);
  EXPECT_FALSE(list[0].keepalive) << "not known where none is looked at";

  std::uint32_t looked = 0;
  for (std::uint32_t turn = 0; turn < 4; ++turn) {
    Look part{.mask = 3, .turn = turn, .max_rows = 1000, .followed = {}};
    tracer_->look_at(&part);
    list = ours(owners(none), port);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0].connections(), 200u);
    EXPECT_EQ(list[0].one_in, 4u);
    EXPECT_LT(list[0].looked, 200u);
    looked += list[0].looked;
  }
  tracer_->look_at(nullptr);
  EXPECT_EQ(looked, 200u) << "each has its turn";
}

/// A host of the Internet serves more networks than the table has room for.
TEST_F(Networks, WhatFindsNoRoomIsCountedWithAllOtherNetworksOfItsPort) {
  constexpr unsigned kNetworks = 3'600;
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * kNetworks + 200) GTEST_SKIP() << "may open only " << limit.rlim_cur << " descriptors";
  std::uint16_t port = 0;
  UniqueFd listener = listen_everywhere(port);
  ASSERT_TRUE(listener);
  std::vector<Ends> pairs;
  for (unsigned i = 0; i < kNetworks; ++i) {
    const std::string to = "127." + std::to_string(1 + i / 250) + "." + std::to_string(i % 250) + ".1";
    pairs.push_back(connect_to(listener, to.c_str(), port));
    ASSERT_TRUE(pairs.back().server) << to;
  }
  OwnerWalk walk = owners();
  std::uint64_t named = 0, elsewhere = 0, accepted = 0;
  for (const NetworkTotals& one : ours(walk, port)) {
    if (one.accepted)
      accepted += one.connections();
    else if (one.elsewhere)
      elsewhere += one.connections();
    else {
      ++named;
      EXPECT_EQ(one.connections(), 1u);
    }
  }
  EXPECT_EQ(accepted, kNetworks) << "from 127.0.0.1";
  EXPECT_EQ(named + elsewhere, kNetworks);
  EXPECT_GT(elsewhere, 0u);
  EXPECT_GT(named, kNetworks / 2);
  EXPECT_EQ(walk.networks_uncounted, 0u);
}

}  // namespace
}  // namespace tcpadvisor::kernel::networks_test
