// SPDX-License-Identifier: Apache-2.0
// Settings of timers, of sending and of the host, those that nothing reads, and that every setting has an answer.
#include "advisor/knobs/knobs.h"
#include "advisor/whatif/forms.h"
#include "tests/unit/whatif/ask.h"

namespace tcpadvisor::whatif::settings_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// One setting, and one socket.
Window with(const std::string& knob, std::vector<std::int64_t> values, const SocketRow& row = a_socket()) {
  return a_window(4, [=](SampleBuilder& s, std::size_t) { s.sysctl(knob, values).add(row); });
}

TEST(WhatifTimers, tell_the_kernels_own_times) {
  SocketRow row = a_socket().set([](SocketRow& r) {
    r.timer = Timer::retransmit;
    r.backoff = 3;
  });
  const Effect effect =
      effect_of(ask_one(with("net.ipv4.tcp_retries2", {15}, row), {"tcp_retries2=8"}), "data_given_up");
  EXPECT_NEAR(effect.from, 924.6, 0.1) << "Documentation/networking/ip-sysctl.rst";
  EXPECT_NEAR(effect.to, 102.2, 0.1);
  SocketRow syn = a_socket().state(TcpState::syn_sent);
  EXPECT_NEAR(
      effect_of(ask_one(with("net.ipv4.tcp_syn_retries", {6}, syn), {"tcp_syn_retries=3"}), "connect_given_up").to, 15,
      0.1);
  EXPECT_THAT(ask_one(with("net.ipv4.tcp_retries2", {15}), {"tcp_retries2=8"}).summary, HasSubstr("no effect here"));
}

TEST(WhatifTimers, keepalive_is_for_who_has_asked_for_it) {
  SocketRow row = a_socket().set([](SocketRow& r) { r.keepalive = false; });
  EXPECT_THAT(ask_one(with("net.ipv4.tcp_keepalive_time", {7200}, row), {"tcp_keepalive_time=300"}).summary,
              HasSubstr("no connection has SO_KEEPALIVE, which only its program can set (1 without"));
  row.keepalive = true;
  const Effect effect = effect_of(ask_one(with("net.ipv4.tcp_keepalive_time", {7200}, row), {"tcp_keepalive_time=300"}),
                                  "dead_peer_noticed");
  EXPECT_EQ(effect.from, 7200 + 675);
  EXPECT_EQ(effect.to, 300 + 675);
}

TEST(WhatifSending, notsent_lowat_shortens_what_waits) {
  const auto window = a_window(5, [](SampleBuilder& s, std::size_t i) {
    s.sysctl("net.ipv4.tcp_notsent_lowat", {4'294'967'295}).add(a_socket().set([=](SocketRow& r) {
      r.not_sent = 2'500'000;
      r.bytes_acked = 2'500'000 * i;
    }));
  });
  const Effect effect = effect_of(ask_one(window, {"tcp_notsent_lowat=131072"}), "wait_before_sending");
  EXPECT_NEAR(effect.from, 1000, 1);
  EXPECT_NEAR(effect.to, 52.4, 0.1);
  EXPECT_FALSE(ask_one(window, {"tcp_notsent_lowat=4M"}).changes);
}

TEST(WhatifSending, a_congestion_control_must_be_there) {
  const auto window = a_window(3, [](SampleBuilder& s, std::size_t i) {
    s.add(a_socket().set([=](SocketRow& r) { r.bytes_acked = 1000 * i; }));
    s.host_ns().sysctls["net.ipv4.tcp_congestion_control"] = Sysctl{{}, "cubic", false};
    s.host_ns().sysctls["net.ipv4.tcp_available_congestion_control"] = Sysctl{{}, "reno cubic bbr", false};
  });
  EXPECT_TRUE(ask_one(window, {"tcp_congestion_control=bbr"}).changes);
  EXPECT_THAT(ask_one(window, {"tcp_congestion_control=bb"}).summary,
              HasSubstr("does not have it: it has reno cubic bbr"));
}

TEST(WhatifHost, tcp_mem_is_in_pages) {
  const auto window = a_window(3, [](SampleBuilder& s, std::size_t) {
    s.sysctl("net.ipv4.tcp_mem", {100'000, 200'000, 300'000}).set([](Sample& sample) {
      sample.memory.pages = 150'000;
      sample.memory.limits_pages = {{100'000, 200'000, 300'000}};
      sample.host.mem_bytes = 16ull << 30;
    });
  });
  Answer answer = ask_one(window, {"tcp_mem=8388608,12582912,16777216"});
  EXPECT_EQ(check_of(answer.memory, "M1")->holds, Holds::no);
  EXPECT_THAT(check_of(answer.memory, "M1")->text, HasSubstr("tcp_mem[2] = 64 GiB > 25 % of 16 GiB of RAM"));
  EXPECT_THAT(answer.notes, Contains(HasSubstr("its unit is pages")));
  answer = ask_one(window, {"tcp_mem=50000,100000,140000"});
  EXPECT_THAT(answer.summary, HasSubstr("above the third mark"));
  answer = ask_one(window, {"tcp_mem=110000,210000,310000"});
  EXPECT_FALSE(answer.changes);
}

TEST(WhatifFolk, dead_settings_and_names_that_are_none_have_a_reason) {
  const auto window = with("net.ipv4.tcp_low_latency", {0});
  for (const char* word : {"tcp_tw_recycle=1", "tcp_low_latency=1", "tcp_fack=1"}) {
    EXPECT_THAT(ask_one(window, {word}).summary, StartsWith("no effect here, because ")) << word;
  }
  EXPECT_THAT(ask_one(window, {"tcp_nodelay=1"}).summary, HasSubstr("TCP_NODELAY is set by the program"));
  EXPECT_THAT(ask_one(window, {"vm.drop_caches=3"}).summary, HasSubstr("because it frees the page cache once"));
  const auto modern = a_window(2, [](SampleBuilder& s, std::size_t) {
    s.sysctl("net.ipv4.tcp_adv_win_scale", {1}).set([](Sample& x) { x.host.kernel = "6.12.30"; });
  });
  EXPECT_THAT(ask_one(modern, {"tcp_adv_win_scale=2"}).summary, HasSubstr("measures for each socket"));
}

/// Whatever is asked on whatever host: one sentence, and no text that breaks a line.
TEST(Whatif, every_setting_has_an_answer) {
  std::size_t asked = 0;
  for (const bool read : {false, true}) {
    for (const Knob& knob : knobs()) {
      if (knob.name.ends_with("tcp_available_congestion_control")) continue;
      std::string value = places_of(knob) == 0 ? "cubic" : std::to_string(knob.least + 1);
      for (std::size_t i = 1; i < places_of(knob); ++i) value += "," + std::to_string(knob.least + 1);
      const auto window = a_window(3, [&](SampleBuilder& s, std::size_t) {
        if (!read) return;
        s.sysctl(std::string(knob.name), std::vector<std::int64_t>(places_of(knob), knob.least))
            .add(a_socket().listen(80, 0, 128));
      });
      const std::vector<Answer> all = ask(window, {std::string(knob.name) + "=" + value});
      ASSERT_EQ(all.size(), 1u) << knob.name;
      EXPECT_FALSE(all.front().summary.empty()) << knob.name;
      EXPECT_THAT(as_text(seen_in(window), all, 80), Not(HasSubstr("-0"))) << knob.name;
      ++asked;
    }
  }
  EXPECT_GT(asked, 100u);
}

}  // namespace
}  // namespace tcpadvisor::whatif::settings_test
