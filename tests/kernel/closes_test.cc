// SPDX-License-Identifier: Apache-2.0
// What a process closes, and how many at a time; what would tell it that a peer has vanished.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::closes_test {
namespace {

using std::chrono::milliseconds;

std::optional<Closes> ours_of(const std::optional<std::vector<Closes>>& closes) {
  if (!closes) return std::nullopt;
  auto at = std::ranges::find(*closes, static_cast<Pid>(getpid()), &Closes::pid);
  return at == closes->end() ? std::nullopt : std::optional(*at);
}

TEST_F(KernelTest, ClosesThatComeTogetherAreCountedAsAClump) {
  if (!tracer_->closes()) GTEST_SKIP() << "no hook sees changes of state";
  auto tracer = Tracer::open(options_from_environment());  // counts from here on
  ASSERT_TRUE(tracer);
  auto listener = traffic::listen_on_loopback(64);
  std::vector<traffic::Pair> pairs;
  for (int i = 0; i < 6; ++i) {
    pairs.push_back(traffic::make_pair(listener));
    traffic::send_exactly(pairs.back().client.get(), 100);
    std::this_thread::sleep_for(milliseconds(40));
  }
  for (traffic::Pair& pair : pairs) pair.client.reset();
  std::this_thread::sleep_for(milliseconds(30));
  pairs[0].server.reset();  // alone; with data that it has not read
  auto seen = ours_of(tracer->closes());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->count, 7u) << "the listener is no connection";
  EXPECT_EQ(seen->resets, 1u);
  EXPECT_EQ(seen->lost, 0u);
  EXPECT_EQ(seen->clumps, 1u);
  EXPECT_EQ(seen->gathered, 6u);
  EXPECT_EQ(seen->largest, 6u);
  EXPECT_LE(seen->elsewhere, 1u) << "only the first may be new";
  EXPECT_GE(seen->oldest_ms, 220) << "the first was opened 240 ms before";
  EXPECT_LT(seen->youngest_ms, seen->oldest_ms / 2);
  EXPECT_GT(seen->quiet_ms, seen->used_ms);
  EXPECT_GT(seen->netns, 0u);
  EXPECT_EQ(tracer->lost()["closes"], 0u);
}

TEST_F(KernelTest, WhatALingerTimeOfZeroThrowsAwayIsCountedForWhoDidIt) {
  if (!tracer_->closes()) GTEST_SKIP() << "no hook sees changes of state";
  auto tracer = Tracer::open(options_from_environment());
  ASSERT_TRUE(tracer);
  auto listener = traffic::listen_on_loopback(8);
  auto loses = traffic::make_pair(listener), aborts = traffic::make_pair(listener),
       orderly = traffic::make_pair(listener);
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  for (const traffic::Pair* pair : {&loses, &aborts})
    ASSERT_EQ(setsockopt(pair->client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  std::uint64_t sent = 0;  // until the reader's window and our buffer are full
  const std::vector<char> block(64 << 10);
  for (int i = 0; i < 1'000; ++i) {
    const ssize_t n = send(loses.client.get(), block.data(), block.size(), MSG_DONTWAIT);
    if (n <= 0) break;
    sent += static_cast<std::uint64_t>(n);
  }
  loses.client.reset();
  aborts.client.reset();
  orderly.client.reset();
  auto seen = ours_of(tracer->closes());
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->count, 3u);
  EXPECT_EQ(seen->resets, 2u);
  EXPECT_EQ(seen->lost, 1u) << "an abort without data loses none";
  ASSERT_TRUE(seen->lost_bytes);
  EXPECT_GT(*seen->lost_bytes, 0u);
  EXPECT_LT(*seen->lost_bytes, sent);
}

TEST_F(KernelTest, TimeoutsOfConnectionsToOtherHostsAreCounted) {
  if (!tracer_->can_walk_owners()) GTEST_SKIP() << "no iter/task_file here";
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  timeval two_seconds{.tv_sec = 2, .tv_usec = 0};
  ASSERT_EQ(setsockopt(pair.client.get(), SOL_SOCKET, SO_SNDTIMEO, &two_seconds, sizeof two_seconds), 0);
  ASSERT_EQ(setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof two_seconds), 0);
  auto seen = walk();
  auto ours = row_of(pair.client.get(), seen), theirs = row_of(pair.server.get(), seen);
  ASSERT_TRUE(ours && theirs);
  EXPECT_EQ(ours->send_timeout_ms, 2'000u);
  EXPECT_EQ(ours->recv_timeout_ms, 0u);
  EXPECT_EQ(theirs->send_timeout_ms, 0u);
  EXPECT_EQ(theirs->recv_timeout_ms, 2'000u);
  EXPECT_TRUE(ours->paced.has_value());
  EXPECT_EQ(ours->wmem_alloc, 0u);
  auto mine = [] {
    OwnerWalk now = owners();
    auto at = std::ranges::find(now.owners, static_cast<Pid>(getpid()), &OwnerTotals::pid);
    return at == now.owners.end() ? std::nullopt : at->timeouts;
  };
  auto timeouts = mine();
  ASSERT_TRUE(timeouts);
  EXPECT_EQ(timeouts->looked, 0u) << "a peer on this host is known to live";
}

}  // namespace
}  // namespace tcpadvisor::kernel::closes_test
