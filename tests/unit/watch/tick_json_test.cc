// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/tick_json.h"

#include <gmock/gmock.h>

#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::watch {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(TickJson, HasEveryPartOfTheContract) {
  json tick = tick_json(test::busy_host());
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
  json first = tick_json(test::busy_host())["connections"][0];
  EXPECT_EQ(first["comm"], "beam.smp");
  EXPECT_EQ(first["send_q"], 130'944);
  EXPECT_EQ(first["not_sent"], 40'000);
  EXPECT_EQ(first["other_end"]["recv_q"], 2'201'600);
  EXPECT_EQ(first["other_end"]["pid"], 2'002);
  EXPECT_TRUE(first["sndbuf"].is_null()) << "unknown is null, never 0";
}

TEST(TickJson, CountsWhatItLeavesOut) {
  json tick = tick_json(test::busy_host(), 2);
  EXPECT_EQ(tick["connections"].size(), 2u);
  EXPECT_EQ(tick["connections_not_shown"], 12'345 + 5);
}

TEST(TickJson, RatesNeedTwoTicks) {
  Picture picture;
  auto grow = [](build::SampleBuilder& sample, std::size_t i) { sample.counter("Tcp.RetransSegs", 40 * i); };
  picture.window = build::a_window(1, grow);
  EXPECT_TRUE(tick_json(picture)["rates"].empty());
  picture.window = build::a_window(3, grow, build::milliseconds(2000));
  EXPECT_DOUBLE_EQ(tick_json(picture)["rates"]["retransmits_per_s"].get<double>(), 20);
  EXPECT_TRUE(tick_json(picture)["rates"]["resets_sent_per_s"].is_null()) << "a counter that was never read";
}

TEST(TickJson, OneLineWhateverTheNamesHold) {
  std::string line = one_line(json{{"comm", "a\nb\xff"}});
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_FALSE(json::parse(line)["comm"].get<std::string>().empty());
}

}  // namespace
}  // namespace tcpadvisor::watch
