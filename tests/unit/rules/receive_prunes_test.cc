// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::receive_prunes_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "rcv-collapse-prune";
using More = std::function<void(SampleBuilder&, std::size_t)>;

/// Eight seconds, in each of which so many segments are copied together and so many dropped.
Window each_second(
    std::uint64_t collapsed, std::uint64_t dropped, const More& more = [](SampleBuilder&, std::size_t) {}) {
  return a_window(9, [=](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.PruneCalled", 20 * i).counter("TcpExt.TCPRcvCollapsed", collapsed * i);
    sample.counter("TcpExt.RcvPruned", dropped * i).counter("TcpExt.TCPRcvQDrop", dropped * i);
    more(sample, i);
  });
}
More reader_with(std::uint64_t unread, std::uint64_t memory) {
  return [=](SampleBuilder& sample, std::size_t) {
    sample.add(a_socket().pid(7, "reader").recv_q(unread).rcvbuf(1 << 20, memory));
  };
}

TEST(ReceivePrunes, tiny_segments_are_told_from_a_reader_that_does_not_read) {
  auto tiny = only_finding(judged(kId, each_second(4'000, 0, reader_with(40'000, 900'000)), Policy{}));
  ASSERT_TRUE(tiny);
  EXPECT_EQ(tiny->severity, Severity::warning);
  EXPECT_EQ(tiny->scope.pid, 7u);
  EXPECT_EQ(tiny->scope.remote, "10.0.0.2:40000");
  EXPECT_EQ(value_of(*tiny, "collapsed"), 4'000);
  EXPECT_EQ(value_of(*tiny, "memory_per_unread_byte"), 22.5);
  EXPECT_THAT(tiny->recommendation.text, HasSubstr("write more at a time"));
  EXPECT_THAT(tiny->title, HasSubstr("4,000 segments a second are copied"));

  auto packed = only_finding(judged(kId, each_second(4'000, 0, reader_with(600'000, 900'000)), Policy{}));
  ASSERT_TRUE(packed);
  EXPECT_THAT(packed->recommendation.text, HasSubstr("write more at a time")) << "what is copied together was tiny";

  auto slow = only_finding(judged(kId, each_second(10, 1, reader_with(600'000, 900'000)), Policy{}));
  ASSERT_TRUE(slow);
  EXPECT_THAT(slow->recommendation.text, HasSubstr("read as fast"));
}

TEST(ReceivePrunes, what_is_dropped_is_counted_once) {
  auto finding = only_finding(judged(kId, each_second(0, 3, reader_with(40'000, 900'000)), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "dropped"), 24) << "RcvPruned and TCPRcvQDrop count the same segments";
  EXPECT_THAT(finding->title, HasSubstr("24 segments were dropped"));
}

TEST(ReceivePrunes, attempts_alone_are_normal) {
  expect_fine(judged(kId, each_second(0, 0), Policy{}));
  expect_fine(judged(kId, each_second(1'000, 0), Policy{}));
  EXPECT_EQ(judged(kId, each_second(1'001, 0), Policy{}).findings.size(), 1u);
  EXPECT_EQ(judged("do-nothing", each_second(1'000, 0), Policy{}).findings.size(), 1u) << "said to be normal";
  EXPECT_TRUE(judged("do-nothing", each_second(1'001, 0), Policy{}).findings.empty()) << "not both";
}

TEST(ReceivePrunes, a_reader_that_has_just_caught_up_is_known_by_its_past) {
  auto now_and_then = [](SampleBuilder& sample, std::size_t i) {
    bool full = i == 4;
    sample.add(a_socket().pid(7, "reader").recv_q(full ? 40'000 : 0).rcvbuf(1 << 20, full ? 900'000 : 0));
  };
  auto finding = only_finding(judged(kId, each_second(4'000, 0, now_and_then), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_EQ(value_of(*finding, "receive_buffer_in_use"), 900'000);
}

TEST(ReceivePrunes, nobody_is_accused_without_a_full_buffer) {
  auto finding = only_finding(judged(kId, each_second(4'000, 0, reader_with(4'000, 90'000)), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Find the socket"));
}

TEST(ReceivePrunes, memory_of_the_host_is_another_rules_topic) {
  auto short_of = [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().pid(7, "reader").recv_q(40'000).rcvbuf(1 << 20, 900'000));
    sample.set([&](Sample& all) { all.memory.under_pressure = i == 8; });
  };
  auto finding = only_finding(judged(kId, each_second(0, 3, short_of), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->finding_class, FindingClass::memory);
  EXPECT_FALSE(finding->scope.pid);
}

TEST(ReceivePrunes, refusals_of_a_cgroup_are_no_fault_of_the_reader) {
  auto refused = [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().pid(7, "reader").recv_q(40'000).rcvbuf(1 << 20, 900'000));
    sample.set([&](Sample& all) { all.refusals = BufferRefusals{.cgroup_recv = 10 * i}; });
  };
  auto finding = only_finding(judged(kId, each_second(0, 3, refused), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("cgroup"));
}

TEST(ReceivePrunes, hostile_numbers_stay_bounded) {
  auto spoilt = [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.RcvPruned", i % 2 == 0 ? UINT64_MAX : 0).counter("TcpExt.TCPRcvCollapsed", UINT64_MAX);
    sample.add(a_socket().pid(7, "reader").recv_q(UINT64_MAX).rcvbuf(UINT64_MAX, UINT64_MAX));
    sample.set([&](Sample& all) { all.refusals = BufferRefusals{.cgroup_recv = UINT64_MAX - i}; });
  };
  EXPECT_EQ(judged(kId, each_second(0, 0, spoilt), Policy{}).findings.size(), 1u);
}

TEST(ReceivePrunes, is_not_assessed_without_its_counters) {
  auto without = [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) { all.netns.front().counters.clear(); });
  };
  expect_unknown(judged(kId, each_second(0, 0, without), Policy{}), "RcvPruned of namespace host was not read twice");
}

}  // namespace
}  // namespace tcpadvisor::receive_prunes_test
