// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/whatif/ask.h"

namespace tcpadvisor::whatif::listen_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::Contains;
using testing::HasSubstr;

/// A listener that is full, with 20 accepted a second and 40 dropped.
Window full_listener(std::uint32_t limit, std::int64_t somaxconn, std::uint32_t queue) {
  return a_window(11, [=](SampleBuilder& s, std::size_t i) {
    s.add(a_socket().pid(5, "web").listen(80, queue, limit).drops(4 * i))
        .count(TcpState::listen, 1)
        .counter("Tcp.PassiveOpens", 20 * i)
        .counter("TcpExt.ListenOverflows", 4 * i)
        .sysctl("net.core.somaxconn", {somaxconn});
  });
}

TEST(WhatifListen, somaxconn_cuts_only_who_asked_for_more) {
  Answer answer = ask_one(full_listener(64, 64, 65), {"somaxconn=256"});
  const Effect limit = effect_of(answer, "accept_queue_limit");
  EXPECT_EQ(limit.from, 64);
  EXPECT_EQ(limit.to, 256);
  EXPECT_TRUE(limit.bound) << "what the program asked for is not known";
  const Effect wait = effect_of(answer, "accept_wait");
  EXPECT_NEAR(wait.from, 65 / 20.0, 0.01);
  EXPECT_NEAR(wait.to, 257 / 20.0, 0.01);
  EXPECT_THAT(answer.notes, Contains(HasSubstr("listen() again")));
  EXPECT_THAT(answer.notes, Contains(HasSubstr("40 segments of handshakes dropped for want of room")));

  answer = ask_one(full_listener(64, 4096, 65), {"somaxconn=8192"});
  EXPECT_FALSE(answer.changes);
  EXPECT_THAT(answer.summary, HasSubstr("none of 1 listener is cut by it: the largest limit is 64"));
  answer = ask_one(full_listener(64, 4096, 65), {"somaxconn=16"});
  EXPECT_EQ(effect_of(answer, "accept_queue_limit").to, 16);
}

TEST(WhatifListen, a_burst_finds_room_for_one_more_than_the_limit) {
  std::vector<Answer> both = ask(full_listener(64, 4096, 0), {"backlog=128", "burst=200"});
  ASSERT_EQ(both.size(), 2u);
  const Effect away = effect_of(both[0], "turned_away");
  EXPECT_EQ(away.from, 200 - 65);
  EXPECT_EQ(away.to, 200 - 129);
  EXPECT_EQ(effect_of(both[1], "turned_away").to, 200 - 65);
  both = ask(full_listener(64, 96, 0), {"backlog=128", "burst=200"});
  EXPECT_EQ(effect_of(both[0], "accept_queue_limit").to, 96) << "somaxconn ends it";
  both = ask(full_listener(64, 96, 0), {"backlog=128", "somaxconn=4096"});
  EXPECT_EQ(effect_of(both[1], "accept_queue_limit").to, 128) << "both are asked together";
  EXPECT_FALSE(ask_one(full_listener(64, 96, 0), {"burst=65"}).changes);
}

TEST(WhatifListen, the_syn_backlog_is_not_read_with_cookies) {
  auto with = [](std::int64_t cookies) {
    return a_window(3, [=](SampleBuilder& s, std::size_t) {
      s.sysctl("net.ipv4.tcp_syncookies", {cookies}).sysctl("net.ipv4.tcp_max_syn_backlog", {1024});
    });
  };
  Answer answer = ask_one(with(1), {"tcp_max_syn_backlog=8192"});
  EXPECT_FALSE(answer.changes);
  EXPECT_THAT(answer.summary, HasSubstr("tcp_syncookies is not 0: with cookies nothing reads it"));
  answer = ask_one(with(0), {"tcp_max_syn_backlog=8192"});
  EXPECT_EQ(effect_of(answer, "half_open_limit").from, 768);
  EXPECT_EQ(effect_of(answer, "half_open_limit").to, 6144);
  const std::vector<Answer> together = ask(with(1), {"tcp_max_syn_backlog=8192", "tcp_syncookies=0"});
  EXPECT_TRUE(together[0].changes) << "what is asked together counts together";
}

TEST(WhatifListen, abort_on_overflow_needs_an_overflow) {
  const auto window = a_window(3, [](SampleBuilder& s, std::size_t i) {
    s.sysctl("net.ipv4.tcp_abort_on_overflow", {0}).counter("TcpExt.ListenOverflows", 10 * i);
  });
  EXPECT_EQ(effect_of(ask_one(window, {"tcp_abort_on_overflow=1"}), "resets_to_clients").to, 20);
  const auto quiet =
      a_window(3, [](SampleBuilder& s, std::size_t) { s.sysctl("net.ipv4.tcp_abort_on_overflow", {0}); });
  EXPECT_FALSE(ask_one(quiet, {"tcp_abort_on_overflow=1"}).changes);
}

}  // namespace
}  // namespace tcpadvisor::whatif::listen_test
