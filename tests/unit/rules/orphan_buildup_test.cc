// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::orphan_buildup_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kId = "orphan-buildup";

struct Closed {
  TcpState state = TcpState::fin_wait_1;
  std::uint64_t send_q = 43'000, acked_per_look = 0;
  Timer timer = Timer::persist;
  Holder holder = Holder::orphan;
  bool user_known = true;
};

struct Limits {
  std::uint64_t orphans = 30, aborts_per_look = 0;
  std::int64_t limit = 131'072, retries = 0;
};

Window closed(std::uint32_t count, const Closed& one, const Limits& limits = {}) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.ipv4.tcp_orphan_retries", {limits.retries}).sysctl("net.ipv4.tcp_max_orphans", {limits.limit});
    sample.counter("TcpExt.TCPAbortOnMemory", limits.aborts_per_look * i);
    sample.set([&](Sample& s) { s.host_sockstat.emplace().orphan = limits.orphans; });
    SocketRow row = a_socket().state(one.state).send_q(one.send_q - one.acked_per_look * i).holder(one.holder);
    row.bytes_acked = 70'000 + one.acked_per_look * i;
    row.timer = one.timer;
    row.wmem_queued = 2 * row.send_q;
    if (one.user_known) row.last_user = LastUser{.pid = 77, .comm = "web"};
    sample.add(count, row).add(a_socket().cookie(9).listen(8443, 0, 128).pid(77, "web"));
  });
}

TEST(OrphanBuildup, says_who_has_closed_towards_whom_and_for_how_long_the_kernel_keeps_them) {
  auto finding = only_finding(judged(kId, closed(30, {}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);  // far from the limit
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
  EXPECT_EQ(finding->scope.count, 30u);
  EXPECT_THAT(finding->title, HasSubstr("30 connections closed by web[77] still hold 1.2 MiB"));
  EXPECT_THAT(finding->title, HasSubstr("10.0.0.2 (30)"));
  EXPECT_EQ(value_of(*finding, "peers_without_room"), 30);
  EXPECT_EQ(value_of(*finding, "orphans_of_host"), 30);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("In web[77]: before close(), set TCP_USER_TIMEOUT"));
  const std::string steps = testing::PrintToString(finding->recommendation.steps);
  EXPECT_THAT(steps, HasSubstr("net.ipv4.tcp_orphan_retries hardly shortens that"));
  EXPECT_THAT(steps, Not(HasSubstr("sysctl -w")));
  EXPECT_THAT(finding->not_useful.front().knob, HasSubstr("tcp_fin_timeout"));
}

TEST(OrphanBuildup, tells_the_price_of_fewer_retries_where_they_count) {
  Closed unanswered{.state = TcpState::last_ack, .timer = Timer::retransmit};
  auto finding = only_finding(judged(kId, closed(30, unanswered), lab()));
  ASSERT_TRUE(finding);
  const std::string steps = testing::PrintToString(finding->recommendation.steps);
  EXPECT_THAT(steps, HasSubstr("after about 1m 42s (net.ipv4.tcp_orphan_retries = 0, which acts as 8)"));
  EXPECT_THAT(steps, HasSubstr("tcp_orphan_retries=4 makes that about 6 s, and its price is"));
  auto low = only_finding(judged(kId, closed(30, unanswered, {.retries = 3}), lab()));
  ASSERT_TRUE(low);
  EXPECT_THAT(testing::PrintToString(low->recommendation.steps), Not(HasSubstr("sysctl -w")));
}

TEST(OrphanBuildup, what_is_being_taken_is_only_finishing) {
  expect_fine(judged(kId, closed(30, {.acked_per_look = 1'000}), lab()));
}

TEST(OrphanBuildup, few_are_none_and_so_is_what_a_process_holds) {
  expect_fine(judged(kId, closed(9, {}), lab()));
  expect_fine(judged(kId, closed(15, {}), Policy{}));
  expect_fine(judged(kId, closed(30, {.holder = Holder::process}), lab()));
  expect_fine(judged(kId, closed(30, {.state = TcpState::fin_wait_2}), lab()));
}

TEST(OrphanBuildup, young_ones_are_none) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    if (i < 7) return;
    SocketRow row = a_socket().state(TcpState::fin_wait_1).send_q(43'000).holder(Holder::orphan);
    sample.add(30, row);
  });
  expect_fine(judged(kId, window, lab()));
}

TEST(OrphanBuildup, near_the_limit_it_is_a_warning) {
  Limits near{.orphans = 25, .limit = 100}, not_quite{.orphans = 24, .limit = 100};
  EXPECT_EQ(only_finding(judged(kId, closed(24, {}, not_quite), lab()))->severity, Severity::info);
  auto finding = only_finding(judged(kId, closed(24, {}, near), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->meaning, HasSubstr("Beyond the limit the kernel ends such connections with a reset"));
  EXPECT_THAT(testing::PrintToString(finding->recommendation.steps), HasSubstr("tcp_max_orphans may rise (100 now)"));
}

TEST(OrphanBuildup, those_that_the_kernel_has_ended_are_a_warning) {
  auto finding = only_finding(judged(kId, closed(24, {}, {.aborts_per_look = 2}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->meaning, HasSubstr("14 connections were ended with a reset"));
  auto alone = only_finding(judged(kId, closed(0, {}, {.orphans = 3, .aborts_per_look = 2}), lab()));
  ASSERT_TRUE(alone);
  EXPECT_EQ(alone->severity, Severity::warning);
  EXPECT_EQ(alone->scope.kind, ScopeKind::host);
}

TEST(OrphanBuildup, many_that_are_finishing_are_told_without_alarm) {
  auto finding = only_finding(judged(kId, closed(30, {.acked_per_look = 1'000}, {.orphans = 30, .limit = 100}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->title, HasSubstr("they are finishing"));
}

TEST(OrphanBuildup, memory_that_ends_them_is_another_story) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPAbortOnMemory", 2 * i);
    sample.set([](Sample& s) { s.memory.under_pressure = true; });
  });
  expect_fine(judged(kId, window, lab()));
}

TEST(OrphanBuildup, is_not_assessed_where_the_limit_is_not_known) {
  auto with = [](std::uint64_t orphans) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t) {
      sample.set([&](Sample& s) { s.host_sockstat.emplace().orphan = orphans; });
    });
  };
  expect_unknown(judged(kId, with(5'000), lab()), "tcp_max_orphans was not read");
  expect_fine(judged(kId, with(5), lab()));
}

TEST(OrphanBuildup, who_has_closed_may_not_be_known) {
  auto finding = only_finding(judged(kId, closed(30, {.user_known = false}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("In the program that closes them"));
}

}  // namespace
}  // namespace tcpadvisor::orphan_buildup_test
