// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::no_timeouts_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using build::SocketBuilder;
using testing::HasSubstr;

constexpr const char* kId = "no-timeouts";

/// 200 connections to other hosts, none with any time-out; 180 idle for ten minutes to an hour, 20 in use.
TimeoutTotals without() {
  TimeoutTotals out;
  out.looked = out.none = 200;
  out.none_idle = {20, 0, 0, 0, 180, 0};
  return out;
}

Window held(const TimeoutTotals& timeouts, const std::function<void(SampleBuilder&)>& more = {}) {
  return a_window(4, [=](SampleBuilder& sample, std::size_t) {
    OwnerTotals owner = a_process(9, "chat").sockets(TcpState::established, 200);
    owner.timeouts = timeouts;
    sample.add(owner);
    if (more) more(sample);
  });
}

template <typename Change>
Outcome judged_with(Change change, const Policy& policy = {}) {
  TimeoutTotals timeouts = without();
  change(timeouts);
  return judged(kId, held(timeouts), policy);
}

/// One of them, whose peer is somewhere else.
SocketBuilder idle_row(std::uint8_t host = 7) {
  return a_socket()
      .established()
      .pid(9, "chat")
      .local(Endpoint::v4(10, 0, 0, 1, 5222))
      .remote(Endpoint::v4(192, 0, 2, host, 40'000))
      .set([](SocketRow& row) {
        row.keepalive = false;
        row.user_timeout_ms = row.send_timeout_ms = row.recv_timeout_ms = 0;
        row.last_data_sent_ms = row.last_data_recv_ms = 700'000;
      });
}

TEST(NoTimeouts, says_how_many_would_never_know) {
  auto finding = only_finding(judged(kId, held(without()), Policy{}));
  ASSERT_TRUE(finding);
  expect_complete(*finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_EQ(finding->scope.pid, 9u);
  EXPECT_EQ(finding->scope.count, 180u);
  EXPECT_EQ(
      finding->title,
      "Nothing would tell chat[9] that a peer has vanished: 180 connections without keepalive or time-out, idle for "
      "10m or longer");
  EXPECT_THAT(finding->confidence_why, HasSubstr("the program's own timers cannot be seen"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("180 connections / 60 s = 3.0 packets a second"));
  EXPECT_EQ(value_of(*finding, "with_keepalive"), 0);
}

TEST(NoTimeouts, where_rows_are_missing_the_totals_name_the_port_and_the_network) {
  TimeoutTotals timeouts = without();
  timeouts.one_in = 8;
  auto with_networks = [](std::uint16_t ports, bool loopback) {
    return [=](SampleBuilder& sample) {
      sample.set([&](Sample& s) {
        for (std::uint16_t i = 0; i < ports; ++i) {
          NetworkTotals one;
          one.netns = build::kHostNetns;
          one.pid = 9, one.comm = "chat", one.accepted = true, one.port = static_cast<std::uint16_t>(5222 + i);
          one.network = Endpoint::v4(192, 0, 2, 0, 0);
          one.looked = 200, one.one_in = 8, one.keepalive = 0;
          one.silent[4] = 90;
          s.networks.push_back(one);
        }
        if (loopback) {
          s.networks.push_back(s.networks.front());
          s.networks.back().network = Endpoint::v4(127, 0, 0, 0, 0);
          s.networks.back().port = 7;
        }
      });
    };
  };
  auto finding = only_finding(judged(kId, held(timeouts, with_networks(1, true)), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("1,440 connections on port 5222 without"));
  EXPECT_EQ(finding->scope.remote, "192.0.2.0/24");
  EXPECT_EQ(value_of(*finding, "of_port_5222"), 720);
  finding = only_finding(judged(kId, held(timeouts, with_networks(2, false)), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, testing::Not(HasSubstr("on port")));
  EXPECT_EQ(value_of(*finding, "of_port_5223"), 720);
  EXPECT_EQ(finding->scope.remote, "");
  finding = only_finding(judged(kId, held(without(), with_networks(1, false)), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(value_of(*finding, "of_port_5222")) << "each has a row, and these tell";
}

TEST(NoTimeouts, names_the_port_where_it_accepts_them) {
  auto finding = only_finding(judged(kId,
                                     held(without(),
                                          [](SampleBuilder& sample) {
                                            sample.add(a_socket().pid(9, "chat").listen(5222, 0, 128));
                                            sample.add(180, idle_row());
                                          }),
                                     Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("180 connections on port 5222 without"));
  EXPECT_EQ(value_of(*finding, "of_port_5222"), 180);
}

TEST(NoTimeouts, a_few_are_no_topic) {
  expect_fine(judged_with([](TimeoutTotals& t) { t.none_idle[4] = 49, t.looked = t.none = 69; }));
  EXPECT_TRUE(only_finding(judged_with([](TimeoutTotals& t) { t.none_idle[4] = 50, t.looked = t.none = 70; })));
}

TEST(NoTimeouts, who_has_set_something_on_a_part_of_them_knows_what_it_does) {
  expect_fine(judged_with([](TimeoutTotals& t) { t.looked = 223, t.keepalive = 23; }));
  EXPECT_TRUE(only_finding(judged_with([](TimeoutTotals& t) { t.looked = 222, t.recv_timeout = 22; })));
}

TEST(NoTimeouts, what_moves_now_and_then_speaks_against_it) {
  expect_fine(judged_with([](TimeoutTotals& t) { t.none_idle = {20, 20, 60, 100, 0, 0}; }));  // a heartbeat each 5 min
  expect_fine(judged_with([](TimeoutTotals& t) { t.none_idle = {0, 0, 0, 101, 99, 0}; }));
}

TEST(NoTimeouts, how_long_is_for_the_policy_to_say) {
  auto moved = [](TimeoutTotals& t) { t.none_idle = {0, 0, 200, 0, 0, 0}; };  // 5 s to a minute
  expect_fine(judged_with(moved));
  EXPECT_TRUE(only_finding(judged_with(moved, lab())));
}

TEST(NoTimeouts, of_a_large_host_a_part_is_looked_at) {
  auto finding = only_finding(judged_with([](TimeoutTotals& t) { t.one_in = 64; }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 180u * 64);
  EXPECT_THAT(finding->confidence_why, HasSubstr("200 connections were looked at, about one in 64"));
  expect_unknown(judged_with([](TimeoutTotals& t) {
                   t.looked = t.none = 15;
                   t.none_idle = {0, 0, 0, 0, 15, 0};
                   t.one_in = 64;
                 }),
                 "chat[9]: only 15 connections of about 960 were looked at");
}

TEST(NoTimeouts, other_ends_on_this_host_do_not_count) {
  Window window = held(without(), [](SampleBuilder& sample) {
    constexpr NetnsId kContainer = 77;
    NetnsSample container;
    container.id = kContainer;
    container.name = "pid:900";
    sample.set([&](Sample& now) { now.netns.push_back(container); });
    for (std::uint16_t i = 0; i < 140; ++i) {
      SocketRow ours =
          idle_row().cookie(1'000 + i).remote(Endpoint::v4(192, 0, 2, 7, static_cast<std::uint16_t>(30'000 + i)));
      SocketRow theirs = a_socket()
                             .established()
                             .netns(kContainer)
                             .cookie(2'000 + i)
                             .pid(900, "bot")
                             .local(ours.remote)
                             .remote(ours.local);
      theirs.keepalive = i < 30;
      sample.add(ours).add(theirs);
    }
  });
  expect_fine(judged(kId, window, Policy{}));
  auto finding = only_finding(judged(kId, window, [] {
    Policy policy;
    policy.rules["no-timeouts"] = {{"min_idle", 40}};
    return policy;
  }()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 40u);
  EXPECT_THAT(
      finding->confidence_why,
      HasSubstr("140 more lead to other namespaces of this host, whose ends are known, and do not count (30 have "
                "keepalive at their other end)"));
}

TEST(NoTimeouts, without_the_walk_it_is_not_known) {
  Window window = a_window(2, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_process(9, "chat").sockets(TcpState::established, 50));
  });
  expect_unknown(judged(kId, window, Policy{}),
                 "does not show keepalive and time-outs of the connections of 1 process");
  expect_fine(
      judged(kId,
             a_window(2, [](SampleBuilder& sample,
                            std::size_t) { sample.add(a_process(9, "chat").sockets(TcpState::established, 49)); }),
             Policy{}));
}

TEST(NoTimeouts, hostile_numbers_do_no_harm) {
  auto finding = only_finding(judged_with([](TimeoutTotals& t) {
    t.looked = t.none = UINT32_MAX;
    t.none_idle.fill(UINT32_MAX);
    t.one_in = UINT32_MAX;
  }));
  EXPECT_TRUE(finding);
  expect_fine(judged_with([](TimeoutTotals& t) { t = TimeoutTotals{.one_in = 0}; }));
}

}  // namespace
}  // namespace tcpadvisor::no_timeouts_test
