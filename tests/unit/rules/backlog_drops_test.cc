// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::backlog_drops_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using build::SocketBuilder;
using testing::HasSubstr;

constexpr const char* kId = "tcp-backlog-drop";

/// Eight seconds; in each so many segments are dropped of those that come, `on_row` of them on a socket of reader[7].
Window drops(std::uint64_t dropped, std::uint64_t received, std::uint64_t on_row, std::uint64_t rcvbuf = 18'000) {
  return a_window(9, [=](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPBacklogDrop", dropped * i).counter("Tcp.InSegs", received * i);
    SocketBuilder row = a_socket().pid(7, "reader").locks(false, true).rcvbuf(rcvbuf, 0).sndbuf(16'384, 0);
    sample.add(row.drops(3 + on_row * i).set([](SocketRow& r) { r.backlog_bytes = 103'788; }));
  });
}

TEST(BacklogDrops, a_small_buffer_behind_long_calls_is_named_with_its_process) {
  auto finding = only_finding(judged(kId, drops(4, 400, 4), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.kind, ScopeKind::process);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_EQ(finding->scope.remote, "10.0.0.2:40000");
  EXPECT_EQ(value_of(*finding, "dropped_at_a_locked_socket"), 32);
  EXPECT_EQ(value_of(*finding, "dropped_on_its_sockets"), 32);
  EXPECT_EQ(value_of(*finding, "backlog_limit"), 36'000 + 8'192 + 65'536);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("SO_RCVBUF"));
  EXPECT_THAT(finding->title, HasSubstr("32 segments came while a call held the socket of reader[7]"));
}

TEST(BacklogDrops, the_smallest_buffer_of_the_time_counts) {
  Window window = a_window(9, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPBacklogDrop", 4 * i).counter("Tcp.InSegs", 400 * i);
    sample.add(a_socket()
                   .pid(7, "reader")
                   .locks(false, true)
                   .rcvbuf(i == 5 ? 18'000 : 2 << 20, 0)
                   .sndbuf(8'192, 0)
                   .drops(4 * i));
  });
  EXPECT_EQ(value_of(*only_finding(judged(kId, window, Policy{})), "backlog_limit"), 36'000 + 4'096 + 65'536);
}

TEST(BacklogDrops, a_large_buffer_is_not_what_to_change) {
  auto finding = only_finding(judged(kId, drops(4, 400, 4, 4 << 20), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.text, testing::Not(HasSubstr("SO_RCVBUF")));
}

TEST(BacklogDrops, sockets_with_other_drops_are_not_accused) {
  auto finding = only_finding(judged(kId, drops(10, 400, 1), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(BacklogDrops, a_listener_refuses_segments_for_other_reasons) {
  Window window = a_window(9, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPBacklogDrop", 4 * i).counter("Tcp.InSegs", 400 * i);
    sample.add(a_socket().listen(80, 0, 128).pid(7, "web").drops(50 * i));
  });
  EXPECT_FALSE(only_finding(judged(kId, window, Policy{}))->scope.pid);
}

TEST(BacklogDrops, a_few_in_a_million_are_a_remark) {
  auto finding = only_finding(judged(kId, drops(2, 1'000'000, 2), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(judged(kId, drops(100, 1'000'000, 0), Policy{}).findings.front().severity, Severity::warning) << "0.01 %";
}

TEST(BacklogDrops, fewer_than_the_policy_says_are_fine) {
  expect_fine(judged(kId, drops(0, 400, 7), Policy{}));
  Policy policy;
  policy.rules[kId]["min_drops"] = 33;
  expect_fine(judged(kId, drops(4, 400, 4), policy));
  policy.rules[kId]["min_drops"] = 32;
  EXPECT_EQ(judged(kId, drops(4, 400, 4), policy).findings.size(), 1u);
}

TEST(BacklogDrops, hostile_numbers_stay_bounded) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPBacklogDrop", i == 1 ? UINT64_MAX : 0).counter("Tcp.InSegs", 0);
    sample.add(a_socket().pid(7, "reader").rcvbuf(UINT64_MAX, UINT64_MAX).sndbuf(UINT64_MAX, 0).drops(UINT64_MAX * i));
  });
  EXPECT_EQ(judged(kId, window, Policy{}).findings.size(), 1u);
}

TEST(BacklogDrops, is_not_assessed_without_its_counter) {
  Window without = a_window(3, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) { all.netns.front().counters.erase("TcpExt.TCPBacklogDrop"); });
  });
  expect_unknown(judged(kId, without, Policy{}), "TCPBacklogDrop of namespace host was not read twice");
}

}  // namespace
}  // namespace tcpadvisor::backlog_drops_test
