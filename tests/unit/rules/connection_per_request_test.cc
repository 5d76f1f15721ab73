// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::connection_per_request_test {
namespace {

using build::a_socket;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "connection-per-request";

struct Opening {
  std::uint64_t timewait = 3'000, live = 20, per_look = 50;
  bool loopback = false, named = true;
};

Window opening(const Opening& opens) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t i) {
    const Endpoint here = opens.loopback ? Endpoint::v4(127, 0, 0, 1, 0) : Endpoint::v4(10, 0, 0, 1, 0);
    const Endpoint there = opens.loopback ? Endpoint::v4(127, 0, 0, 1, 80) : Endpoint::v4(10, 0, 0, 7, 80);
    sample.add(PortUse{kHostNetns, here, there, opens.timewait + opens.live, opens.timewait});
    sample.counter("Tcp.ActiveOpens", opens.per_look * i);
    SocketRow row = a_socket().established().pid(4, "worker").remote(there);
    row.min_rtt_us = 800;
    if (opens.named) sample.add(row);
  });
}

TEST(ConnectionPerRequest, names_who_opens_how_many_a_second_to_whom_and_what_it_costs) {
  auto finding = only_finding(judged(kId, opening({}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->scope.pid, 4u);
  EXPECT_THAT(finding->title, HasSubstr("worker[4] opens about 50 connections a second to 10.0.0.7:80"));
  EXPECT_THAT(finding->meaning, HasSubstr("a handshake (0.8 ms here)"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("28,232 local ports towards one destination / 60 s = 471"));
}

TEST(ConnectionPerRequest, without_a_row_the_only_process_with_connections_there_is_named) {
  auto judged_with = [](const std::vector<NetworkTotals>& networks) {
    return only_finding(judged(kId,
                               a_window(6,
                                        [&](SampleBuilder& sample, std::size_t i) {
                                          sample.add(PortUse{kHostNetns, Endpoint::v4(10, 0, 0, 1, 0),
                                                             Endpoint::v4(10, 0, 0, 7, 80), 3'020, 3'000});
                                          sample.counter("Tcp.ActiveOpens", 50 * i);
                                          sample.set([&](Sample& s) { s.networks = networks; });
                                        }),
                               Policy{}));
  };
  NetworkTotals one;
  one.netns = kHostNetns;
  one.pid = 4, one.comm = "worker", one.port = 80;
  one.network = Endpoint::v4(10, 0, 0, 0, 0);
  NetworkTotals elsewhere = one;
  elsewhere.pid = 5, elsewhere.network = Endpoint::v4(10, 0, 1, 0, 0);
  NetworkTotals server = one;
  server.pid = 6, server.accepted = true;
  auto finding = judged_with({elsewhere, server, one});
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 4u);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->confidence_why, HasSubstr("no other process has connections to that port and network now"));

  NetworkTotals second = one;
  second.pid = 8;
  EXPECT_FALSE(judged_with({one, second})->scope.pid) << "one of two";
  NetworkTotals rest = one;
  rest.pid = 0, rest.port = 0, rest.elsewhere = true;
  EXPECT_FALSE(judged_with({one, rest})->scope.pid) << "or one that did not fit into the list";
  EXPECT_FALSE(judged_with({elsewhere})->scope.pid);
}

TEST(ConnectionPerRequest, fewer_are_no_topic) {
  expect_fine(judged(kId, opening({.timewait = 599}), Policy{}));
  EXPECT_TRUE(only_finding(judged(kId, opening({.timewait = 600}), Policy{})));
}

TEST(ConnectionPerRequest, a_pool_that_is_renewed_now_and_then_is_none) {
  expect_fine(judged(kId, opening({.live = 400}), Policy{}));
}

TEST(ConnectionPerRequest, a_burst_that_is_over_is_none) {
  expect_fine(judged(kId, opening({.per_look = 2}), Policy{}));
}

TEST(ConnectionPerRequest, on_this_host_a_handshake_costs_little) {
  expect_fine(judged(kId, opening({.loopback = true}), Policy{}));
}

TEST(ConnectionPerRequest, near_the_end_of_the_ports_it_is_port_exhaustions) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.ipv4.tcp_tw_reuse", {0}).counter("Tcp.ActiveOpens", 500 * i);
    sample.add(PortUse{kHostNetns, Endpoint::v4(10, 0, 0, 1, 0), Endpoint::v4(10, 0, 0, 7, 80), 27'900, 27'800});
  });
  expect_fine(judged(kId, window, Policy{}));
}

TEST(ConnectionPerRequest, whose_they_are_may_not_be_seen) {
  auto finding = only_finding(judged(kId, opening({.named = false}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_FALSE(finding->scope.pid);
}

}  // namespace
}  // namespace tcpadvisor::connection_per_request_test
