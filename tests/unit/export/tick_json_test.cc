// SPDX-License-Identifier: Apache-2.0
#include "agent/export/tick_json.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/watch/golden.h"
#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::exported::tick_json_test {
namespace {

using nlohmann::json;
using observe::Observation;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

json tick_of(const Observation& seen, std::size_t max_connections = 100) {
  return json::parse(tick_json(seen, max_connections));
}

TEST(TickJson, Golden) {
  test::expect_golden("export/tick-quiet.json", tick_json(test::quiet_host()) + "\n");
  test::expect_golden("export/tick-busy.json", tick_json(test::busy_host()) + "\n");
  test::expect_golden("export/tick-drivers.json", tick_json(test::host_with_user_queues()) + "\n");
}

TEST(TickJson, HasEveryPartOfTheContract) {
  json tick = tick_of(test::busy_host());
  for (const char* key : {"ts", "host", "coverage", "self", "memory", "states", "rates", "connections", "listeners",
                          "owners", "findings"}) {
    EXPECT_TRUE(tick.contains(key)) << key;
  }
  EXPECT_EQ(tick["states"]["SYN_RECV"], 7);
  EXPECT_EQ(tick["states"]["LAST_ACK"], 0) << "a state without sockets is a zero, not missing";
  EXPECT_EQ(tick["coverage"]["snapshot"], "iter/tcp");
  EXPECT_EQ(tick["self"]["lost"]["events"], 17);
  EXPECT_EQ(tick["memory"]["tcp_mem_pages"], 410'000);
  EXPECT_EQ(tick["memory"]["max"], 570'000);
  EXPECT_NEAR(tick["ts"].get<double>() - tick["memory"]["under_pressure_since"].get<double>(), 12, 0.001);
  EXPECT_EQ(tick["findings"][0]["id"], "close-wait-leak");
}

TEST(TickJson, AConnectionShowsBothEnds) {
  json first = tick_of(test::busy_host())["connections"][0];
  EXPECT_EQ(first["comm"], "beam.smp");
  EXPECT_EQ(first["send_q"], 130'944);
  EXPECT_EQ(first["not_sent"], 40'000);
  EXPECT_EQ(first["other_end"]["recv_q"], 2'201'600);
  EXPECT_EQ(first["other_end"]["pid"], 2'002);
  EXPECT_TRUE(first["sndbuf"].is_null()) << "unknown is null, never 0";
}

TEST(TickJson, UserQueuesAreListedAndShownAtTheirConnections) {
  json tick = tick_of(test::host_with_user_queues());
  ASSERT_EQ(tick["user_queues"].size(), 5u);
  EXPECT_EQ(tick["connections"].size(), 3u) << "what has no socket to show is only in user_queues";
  EXPECT_EQ(tick["connections_not_shown"], 0);
  EXPECT_EQ(tick["connections"][0]["driver_q"], 52'428'800);
  EXPECT_EQ(tick["connections"][1]["driver_q"], 778'763);
  EXPECT_TRUE(tick["connections"][1]["other_end"]["driver_q"].is_null()) << "nobody speaks for that end";
  json queue = tick["user_queues"][0];
  EXPECT_EQ(queue["local"], "127.0.0.1:48222");
  EXPECT_EQ(queue["remote"], "127.0.0.1:9000");
  EXPECT_EQ(queue["pid"], 2'001);
  EXPECT_EQ(queue["name"], "#Port<0.5>");
  EXPECT_EQ(queue["queued"], 778'763);
  EXPECT_EQ(queue["high"], 8'192);
  EXPECT_EQ(queue["suspended"], 2);
  EXPECT_EQ(queue["pending_shutdown"], true);
  EXPECT_EQ(queue["waited_ms"], 12'300);
  EXPECT_EQ(queue["ended"], false);
  EXPECT_EQ(queue["netns"], "host");
  EXPECT_TRUE(tick["user_queues"][1]["waited_ms"].is_null()) << "not said is null, never 0";
  EXPECT_TRUE(tick_of(test::busy_host())["connections"][0]["driver_q"].is_null());
}

TEST(TickJson, WhatHasEndedWaitsNoMore) {
  Observation picture;
  picture.window = build::a_window(1, [](build::SampleBuilder& sample, std::size_t) {
    SocketRow row = build::a_socket().cookie(1).send_q(5);
    sample.add(row).add(build::a_user_queue().of(row).queued(7, 7).dropped(7).ended());
  });
  json tick = tick_of(picture);
  EXPECT_TRUE(tick["connections"][0]["driver_q"].is_null());
  EXPECT_EQ(tick["user_queues"][0]["dropped"], 7);
}

TEST(TickJson, CountsWhatItLeavesOut) {
  json tick = tick_of(test::busy_host(), 2);
  EXPECT_EQ(tick["connections"].size(), 2u);
  EXPECT_EQ(tick["connections_not_shown"], 12'345 + 5);
}

TEST(TickJson, RatesNeedTwoTicks) {
  Observation picture;
  auto grow = [](build::SampleBuilder& sample, std::size_t i) { sample.counter("Tcp.RetransSegs", 40 * i); };
  picture.window = build::a_window(1, grow);
  EXPECT_TRUE(tick_of(picture)["rates"].empty());
  picture.window = build::a_window(3, grow, build::milliseconds(2000));
  EXPECT_DOUBLE_EQ(tick_of(picture)["rates"]["retransmits_per_s"].get<double>(), 20);
  EXPECT_TRUE(tick_of(picture)["rates"]["segments_in_per_s"].is_null()) << "a counter that was never read";
}

TEST(TickJson, OneLineWhateverTheNamesHold) {
  Observation seen;
  seen.window = build::a_window(
      1, [](build::SampleBuilder& sample, std::size_t) { sample.add(build::a_process(7, "a\nb\xff")); });
  std::string line = tick_json(seen);
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_THAT(json::parse(line)["owners"][0]["comm"].get<std::string>(), StartsWith("a\nb"));
}

TEST(TickJson, AProcessInAContainerHasBothNumbersAndOneOutsideHasNone) {
  Observation seen;
  seen.window = build::a_window(2, [](build::SampleBuilder& sample, std::size_t) {
    OwnerTotals leaky = build::a_process(4'242, "leaky").close_wait(1, 1);
    leaky.pid_inside = 7;
    sample.add(leaky).add(build::a_socket().close_wait().pid(4'242, "leaky").cookie(1).recv_q(5'000));
    sample.add(build::a_socket().fin_wait_2().cookie(2).recv_q(4'000).holder(Holder::outside));
  });
  json tick = tick_of(seen);
  EXPECT_EQ(tick["owners"][0]["pid_inside"], 7);
  EXPECT_EQ(tick["connections"][0]["pid"], 4'242);
  EXPECT_EQ(tick["connections"][0]["pid_inside"], 7);
  EXPECT_TRUE(tick["connections"][1]["pid"].is_null());
  EXPECT_TRUE(tick["connections"][1]["pid_inside"].is_null());
  EXPECT_EQ(tick["connections"][1]["holder"], "outside this container");
}

}  // namespace
}  // namespace tcpadvisor::exported::tick_json_test
