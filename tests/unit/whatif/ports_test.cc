// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/whatif/ask.h"

namespace tcpadvisor::whatif::ports_test {
namespace {

using build::a_window;
using build::SampleBuilder;
using testing::Contains;
using testing::HasSubstr;

Window using_ports(std::uint64_t used, std::uint64_t timewait, std::int64_t reuse = 2, std::int64_t timestamps = 1) {
  return a_window(3, [=](SampleBuilder& s, std::size_t) {
    s.add(PortUse{.netns = build::kHostNetns,
                  .source = Endpoint::v4(10, 0, 0, 1, 0),
                  .destination = Endpoint::v4(10, 0, 0, 5, 5432),
                  .used = used,
                  .timewait = timewait})
        .sysctl("net.ipv4.ip_local_port_range", {20'000, 20'099})
        .sysctl("net.ipv4.tcp_tw_reuse", {reuse})
        .sysctl("net.ipv4.tcp_timestamps", {timestamps});
  });
}

TEST(WhatifPorts, a_wider_range_gives_its_ports) {
  const Answer answer = ask_one(using_ports(100, 90), {"ip_local_port_range=20000-20399"});
  const Effect free = effect_of(answer, "free_ports");
  EXPECT_EQ(free.from, 0);
  EXPECT_EQ(free.to, 300);
  const Effect rate = effect_of(answer, "connections_per_s");
  EXPECT_NEAR(rate.from, 90 / 60.0, 0.01);
  EXPECT_NEAR(rate.to, 390 / 60.0, 0.01);
  EXPECT_THAT(rate.of, HasSubstr("10.0.0.1 -> 10.0.0.5:5432"));
  EXPECT_THAT(ask_one(using_ports(100, 90), {"ip_local_port_range=1024-65535"}).notes,
              Contains(HasSubstr("collides with programs that listen")));
  EXPECT_FALSE(ask_one(using_ports(100, 90), {"ip_local_port_range=30000-30099"}).changes);
}

TEST(WhatifPorts, tw_reuse_shortens_how_long_a_port_is_held) {
  const Answer answer = ask_one(using_ports(100, 90), {"tcp_tw_reuse=1"});
  const Effect rate = effect_of(answer, "connections_per_s");
  EXPECT_NEAR(rate.from, 1.5, 0.01);
  EXPECT_NEAR(rate.to, 90, 0.1);
  const Effect held = effect_of(answer, "ports_held");
  EXPECT_NEAR(held.from, 100, 0.1);
  EXPECT_NEAR(held.to, 10 + 1.5, 0.1);
  EXPECT_THAT(held.formula, HasSubstr("port minutes"));
}

TEST(WhatifPorts, says_why_tw_reuse_does_nothing) {
  EXPECT_THAT(ask_one(using_ports(10, 0), {"tcp_tw_reuse=1"}).summary,
              HasSubstr("no connection that this host began and closed is in TIME_WAIT"));
  EXPECT_THAT(ask_one(using_ports(100, 90, 2, 0), {"tcp_tw_reuse=1"}).summary, HasSubstr("tcp_timestamps is 0"));
  EXPECT_THAT(ask_one(using_ports(100, 90, 1), {"tcp_tw_reuse=1"}).summary, HasSubstr("as soon, or as late, as now"));
}

TEST(WhatifPorts, fin_timeout_is_not_for_time_wait_or_close_wait) {
  auto window = [](std::uint64_t fin_wait_2) {
    return a_window(3, [=](SampleBuilder& s, std::size_t) {
      s.count(TcpState::time_wait, 500)
          .count(TcpState::close_wait, 7)
          .count(TcpState::fin_wait_2, fin_wait_2)
          .sysctl("net.ipv4.tcp_fin_timeout", {60});
    });
  };
  EXPECT_THAT(ask_one(window(0), {"tcp_fin_timeout=15"}).summary,
              testing::AllOf(HasSubstr("TIME_WAIT (500 here) is a fixed 60 s"), HasSubstr("CLOSE_WAIT (7 here)")));
  EXPECT_EQ(effect_of(ask_one(window(400), {"tcp_fin_timeout=15"}), "fin_wait_2").to, 100);
}

TEST(WhatifPorts, fewer_buckets_end_connections_early) {
  auto window = a_window(3, [](SampleBuilder& s, std::size_t) {
    s.count(TcpState::time_wait, 500).sysctl("net.ipv4.tcp_max_tw_buckets", {131'072});
  });
  EXPECT_FALSE(ask_one(window, {"tcp_max_tw_buckets=262144"}).changes);
  EXPECT_EQ(effect_of(ask_one(window, {"tcp_max_tw_buckets=100"}), "time_wait").to, 100);
}

}  // namespace
}  // namespace tcpadvisor::whatif::ports_test
