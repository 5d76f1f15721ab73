// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/network_tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "agent/collect/tally.h"

namespace tcpadvisor::collect::network_tally_test {
namespace {

using os::Descriptor;

SocketRow connection(const Endpoint& remote, std::uint32_t idle_ms = 100) {
  SocketRow row;
  row.netns = 42;
  row.inode = 101;
  row.holder = Holder::process;
  row.local = Endpoint::v4(10, 0, 0, 1, 443);
  row.remote = remote;
  row.last_data_sent_ms = row.last_data_recv_ms = idle_ms;
  row.bytes_sent = 1'000;
  row.rmem_alloc = 0;
  row.wmem_queued = 0;
  row.fwd_alloc = 4'096;
  row.rcvbuf = 131'072;
  return row;
}

std::uint64_t all_connections(const std::vector<NetworkTotals>& list) {
  return std::accumulate(list.begin(), list.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const NetworkTotals& one) { return sum + one.connections(); });
}

TEST(NetworkTally, BySideNetworkAndPortOnceForEachProcess) {
  NetworkTally tally;
  const std::vector<Descriptor> one = {{101, 7, 3}, {101, 7, 4}}, two = {{101, 7, 3}, {101, 8, 5}};
  tally.add(connection(Endpoint::v4(10, 0, 5, 9, 50'000)), true, one);
  tally.add(connection(Endpoint::v4(10, 0, 5, 200, 50'001), 90'000), true, two);
  tally.add(connection(Endpoint::v4(10, 0, 6, 1, 50'000)), true, one);
  tally.add(connection(Endpoint::v4(10, 0, 5, 9, 5'432)), false, one);
  SocketRow listener = connection({});
  listener.state = TcpState::listen;
  tally.add(listener, true, one);
  std::vector<NetworkTotals> list = tally.take();
  ASSERT_EQ(list.size(), 4u);
  const NetworkTotals& first = list[0];
  EXPECT_EQ(first.pid, 7u);
  EXPECT_EQ(first.netns, 42u);
  EXPECT_TRUE(first.accepted);
  EXPECT_EQ(first.port, 443);
  EXPECT_EQ(first.network.text(), "10.0.5.0:0");
  EXPECT_EQ(first.connections(), 2u) << "two descriptors, one socket";
  EXPECT_EQ(first.looked, 2u);
  EXPECT_FALSE(first.keepalive) << "this source does not show it";
  EXPECT_THAT(first.idle, testing::ElementsAre(1, 0, 0, 1, 0, 0));
  EXPECT_THAT(first.silent, testing::Each(0u)) << "whether it has keepalive is not known";
  EXPECT_EQ(first.bytes_sent, 2'000u);
  EXPECT_EQ(first.resting_bytes, 4'096u) << "only one rests";
  EXPECT_EQ(first.resting_rcvbuf, 131'072u);
  EXPECT_EQ(list[1].pid, 8u);
  EXPECT_EQ(list[2].network.text(), "10.0.6.0:0");
  EXPECT_FALSE(list[3].accepted);
  EXPECT_EQ(list[3].port, 5'432);
  EXPECT_EQ(tally.uncounted(), 0u);
}

TEST(NetworkTally, ManyNetworksGrowNoListWithoutEnd) {
  NetworkTally tally;
  const std::vector<Descriptor> held = {{101, 7, 3}};
  constexpr unsigned kNetworks = 20'000;
  for (unsigned i = 0; i < kNetworks; ++i) {
    tally.add(connection(Endpoint::v4(11, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 1, 50'000)),
              true, held);
  }
  std::vector<NetworkTotals> list = tally.take();
  EXPECT_EQ(list.size(), 12'289u);
  EXPECT_TRUE(list.back().elsewhere);
  EXPECT_EQ(list.back().port, 443);
  EXPECT_EQ(all_connections(list), kNetworks);
}

TEST(NetworkTally, WhereThereIsNoRoomAtAllItIsCounted) {
  NetworkTally tally;
  for (Pid pid = 1; pid <= 17'000; ++pid) {
    const std::vector<Descriptor> held = {{101, pid, 3}};
    tally.add(connection(Endpoint::v4(10, 0, 0, 9, 50'000)), true, held);
  }
  EXPECT_EQ(tally.uncounted(), 17'000u - 16'384u);
  EXPECT_EQ(all_connections(tally.take()), 16'384u);
}

NetworkTotals a_network(Pid pid, std::uint8_t third, std::uint32_t connections, std::uint64_t resting = 0) {
  NetworkTotals out;
  out.pid = pid;
  out.port = 443;
  out.accepted = true;
  out.network = Endpoint::v4(10, 0, third, 0, 0);
  out.sockets[index_of(TcpState::established)] = connections;
  out.looked = connections;
  out.keepalive = 1;
  out.idle[5] = connections;
  out.resting_bytes = resting;
  return out;
}

TEST(KeepLargest, NothingIsLostFromTheSums) {
  std::vector<NetworkTotals> list;
  for (unsigned i = 0; i < 200; ++i)
    list.push_back(a_network(7, static_cast<std::uint8_t>(i), 1'000 - i, i == 199 ? 1 << 20 : 0));
  NetworkTotals elsewhere = a_network(7, 0, 5'000);
  elsewhere.network = {};
  elsewhere.elsewhere = true;
  list.push_back(elsewhere);
  const std::uint64_t before = all_connections(list);
  keep_largest(list);
  ASSERT_EQ(list.size(), kMostSocketNetworks + 1 + 1);
  EXPECT_EQ(all_connections(list), before);
  EXPECT_TRUE(list[0].elsewhere) << "most connections first";
  EXPECT_EQ(list[0].port, 443);
  EXPECT_EQ(list[0].keepalive, 200u - 65u + 1u);
  EXPECT_EQ(list[1].connections(), 1'000u);
  EXPECT_EQ(list.back().resting_bytes, 1u << 20) << "few connections, much memory";
}

TEST(KeepLargest, ManyProcessesAreOneRest) {
  std::vector<NetworkTotals> list;
  for (Pid pid = 1; pid <= 1'000; ++pid) list.push_back(a_network(pid, 1, pid));
  const std::uint64_t before = all_connections(list);
  keep_largest(list);
  ASSERT_EQ(list.size(), kMostSocketNetworks + kMostElsewhere + 1);
  EXPECT_EQ(all_connections(list), before);
  EXPECT_EQ(list.front().pid, 1'000u);
  EXPECT_EQ(list.back().pid, 0u);
  EXPECT_EQ(list.back().port, 0);
  EXPECT_TRUE(list.back().elsewhere);
}

TEST(KeepLargest, AFewStayAsTheyAre) {
  std::vector<NetworkTotals> list = {a_network(7, 1, 5), a_network(7, 2, 9)};
  keep_largest(list);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0], a_network(7, 2, 9));
  EXPECT_EQ(list[1], a_network(7, 1, 5));
}

TEST(Tally, TellsTheNetworksOfWhatItReads) {
  StateAges ages;
  OwnerTable owners;
  NetworkTally networks;
  RowKeeper keeper{{}, 100};
  sources::OwnerScan scan;
  scan.holders = {{100, 7, 3}, {101, 7, 4}, {102, 7, 5}};
  TallyContext context;
  context.keeper = &keeper;
  context.owners = &scan;
  context.networks = &networks;
  context.netns = 42;
  Tally tally(context, ages, owners);
  SocketRow listener;
  listener.cookie = 1, listener.inode = 100, listener.state = TcpState::listen, listener.local.port = 443;
  SocketRow accepted = connection(Endpoint::v4(10, 0, 5, 9, 50'000));
  accepted.cookie = 2, accepted.inode = 101;
  SocketRow opened = connection(Endpoint::v4(10, 0, 5, 9, 5'432));
  opened.cookie = 3, opened.inode = 102, opened.local.port = 40'000;
  SocketRow unaccepted = connection(Endpoint::v4(10, 0, 5, 9, 50'001));
  unaccepted.cookie = 4, unaccepted.inode = 0;
  for (const SocketRow& row : {listener, accepted, opened, unaccepted}) tally.add(SocketRow(row));
  std::vector<NetworkTotals> list = networks.take();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_TRUE(list[0].accepted);
  EXPECT_EQ(list[0].port, 443);
  EXPECT_FALSE(list[1].accepted);
  EXPECT_EQ(list[1].port, 5'432);
}

}  // namespace
}  // namespace tcpadvisor::collect::network_tally_test
