// SPDX-License-Identifier: Apache-2.0
#include "agent/port/scenario/truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "agent/port/scenario/kernel_capacity.h"
#include "agent/port/scenario/scenario.h"

namespace tcpadvisor::port::scenario::truth_test {
namespace {

using testing::HasSubstr;

SocketRow socket_with(TcpState state, std::uint64_t send_q, std::uint64_t recv_q) {
  SocketRow row;
  row.state = state;
  row.send_q = send_q;
  row.recv_q = recv_q;
  return row;
}

/// 1 MiB on its way to a peer that has read 50 bytes.
ConnectionTruth on_its_way() {
  ConnectionTruth c;
  c.name = "P1";
  c.local = "127.0.0.1:1000";
  c.remote = "127.0.0.1:2000";
  c.driver_queue = 700;
  c.taken = 1'000;
  c.near = socket_with(TcpState::established, 200, 0);
  c.far = socket_with(TcpState::established, 0, 50);
  c.peer.read = 50;
  return c;
}

std::string only_line(const ConnectionTruth& c) {
  auto lines = truth_lines({.seconds = 0, .connections = {c}});
  EXPECT_EQ(lines.size(), 1U);
  return lines.front();
}

TEST(Truth, adds_up_what_is_in_each_place) {
  ConnectionTruth c = on_its_way();
  EXPECT_EQ(c.elsewhere(), 0);
  EXPECT_EQ(only_line(c), "P1: driver queue 700 + Send-Q 200 (ESTAB) + Recv-Q 50 (ESTAB) + read 50 = 1,000 of 1,000");
}

TEST(Truth, says_which_bytes_it_does_not_see) {
  ConnectionTruth c = on_its_way();
  c.peer.read = 20;
  EXPECT_THAT(only_line(c), HasSubstr("= 970 of 1,000, 30 on the way"));
  c.peer.read = 60;  // arrived, but its ACK has not
  EXPECT_THAT(only_line(c), HasSubstr("(10 have arrived and await their ACK: in both queues)"));
  c.peer.read = 0;
  c.near.reset();
  c.far.reset();
  EXPECT_THAT(only_line(c), HasSubstr("300 gone with the connection"));
}

TEST(Truth, tells_who_waits_and_why) {
  ConnectionTruth c = on_its_way();
  c.busy = c.pending_shutdown = c.limbo = true;
  c.waiting = 1;
  c.suspended = 1'200;
  EXPECT_THAT(only_line(c), HasSubstr("(busy, 1 waiting, 1,200 suspended, shutdown pending, limbo)"));
}

TEST(Truth, sums_up_many_connections_that_are_alike) {
  Truth truth{.seconds = 1, .connections = std::vector<ConnectionTruth>(12, on_its_way())};
  auto lines = truth_lines(truth);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines.front(), HasSubstr("12 connections: driver queue 8,400 + Send-Q 2,400"));
  EXPECT_THAT(lines.front(), HasSubstr("= 12,000 of 12,000"));
  EXPECT_EQ(truth_json(truth).at("connections").size(), 12U);
}

TEST(KernelCapacity, formula_of_the_measured_pairs) {
  struct Case {
    std::uint64_t high, size, ok;
  };
  for (const Case& c : {Case{0, 1, 7},
                        {1, 1, 7},
                        {2, 1, 7},
                        {3, 1, 8},
                        {5, 1, 10},
                        {10, 1, 15},
                        {100, 1, 105},
                        {10, 4, 8},
                        {12, 4, 8},
                        {13, 4, 9}}) {
    EXPECT_EQ(sends_that_return(6, c.high, c.size), c.ok) << c.high << "/" << c.size;
  }
  EXPECT_EQ(sends_that_return(5, 2, 1), 6U);  // story S2: the seventh waits
}

TEST(Scenes, have_names_of_their_own_and_say_what_to_expect) {
  std::set<std::string_view> names;
  for (std::span<const Scenario> scenarios : {stories(), symptoms()}) {
    for (const Scenario& scenario : scenarios) {
      EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
      EXPECT_FALSE(scenario.title.empty() || scenario.finding.empty() || scenario.kernel.empty()) << scenario.name;
      EXPECT_NE(scenario.play, nullptr) << scenario.name;
      EXPECT_EQ(find_scenario(scenario.name), &scenario);
    }
  }
  EXPECT_EQ(find_scenario("nosuch"), nullptr);
  EXPECT_EQ(similar_scenario("nosuch"), "");
  EXPECT_EQ(similar_scenario("s1-clasic"), "; did you mean 's1-classic'?");
}

}  // namespace
}  // namespace tcpadvisor::port::scenario::truth_test
