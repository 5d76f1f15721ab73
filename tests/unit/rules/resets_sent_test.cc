// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::resets_sent_test {
namespace {

using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "reset-attribution";
using More = std::function<void(SampleBuilder&, std::size_t)>;

/// Eight seconds with so many resets in each.
Window resets(std::uint64_t each, const More& more = [](SampleBuilder&, std::size_t) {}) {
  return a_window(9, [=](SampleBuilder& sample, std::size_t i) {
    sample.counter("Tcp.OutRsts", each * i);
    more(sample, i);
  });
}

TEST(ResetsSent, a_port_scan_is_told_and_nothing_is_to_be_done) {
  auto finding = only_finding(judged(kId, resets(50), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  EXPECT_EQ(finding->recommendation.text, "Change nothing.");
  EXPECT_EQ(value_of(*finding, "resets_sent"), 400);
  EXPECT_EQ(value_of(*finding, "nobody_expects"), 400);
  EXPECT_THAT(finding->title, HasSubstr("100 % of them answers to segments that no connection expects"));
}

TEST(ResetsSent, what_counters_tell_is_taken_from_the_rest) {
  auto finding = only_finding(judged(kId,
                                     resets(50,
                                            [](SampleBuilder& sample, std::size_t i) {
                                              sample.counter("TcpExt.TCPAbortOnClose", 30 * i);
                                              sample.counter("TcpExt.TCPAbortOnData", 5 * i);
                                            }),
                                     Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("60 % of them closed with data unread"));
  EXPECT_EQ(value_of(*finding, "unread_at_close"), 240);
  EXPECT_EQ(value_of(*finding, "after_close"), 40);
  EXPECT_EQ(value_of(*finding, "nobody_expects"), 120);
}

TEST(ResetsSent, parts_are_never_more_than_the_whole) {
  auto finding = only_finding(judged(kId,
                                     resets(50,
                                            [](SampleBuilder& sample, std::size_t i) {
                                              sample.counter("TcpExt.TCPAbortOnClose", 40 * i);
                                              sample.counter("TcpExt.TCPAbortOnData", 40 * i);
                                            }),
                                     Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "unread_at_close"), 320);
  EXPECT_EQ(value_of(*finding, "after_close"), 80);
  EXPECT_FALSE(value_of(*finding, "nobody_expects"));
}

TEST(ResetsSent, the_kernels_reasons_are_given_only_if_they_are_of_this_time_and_place) {
  auto with = [](std::uint64_t counted) {
    return resets(50, [=](SampleBuilder& sample, std::size_t) {
      sample.cover("resets", "tp_btf");
      sample.set([&](Sample& all) {
        all.lifecycle = LifecycleTotals{};
        all.lifecycle->resets_sent = {{"NO_SOCKET", counted}, {"TCP_ABORT_ON_CLOSE", 40}, {"unknown", 0}};
      });
    });
  };
  EXPECT_EQ(value_of(*only_finding(judged(kId, with(350), Policy{})), "reason_no_socket"), 350);
  EXPECT_FALSE(value_of(*only_finding(judged(kId, with(5'000), Policy{})), "reason_no_socket")) << "since yesterday";
  EXPECT_FALSE(value_of(*only_finding(judged(kId, with(10), Policy{})), "reason_no_socket"));
}

TEST(ResetsSent, a_few_are_no_topic) {
  expect_fine(judged(kId, resets(0), Policy{}));
  expect_fine(judged(kId, resets(12), Policy{}));
  EXPECT_EQ(judged(kId, resets(13), Policy{}).findings.size(), 1u) << "104 of 100";
}

TEST(ResetsSent, is_not_assessed_without_its_counter) {
  auto without = [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) { all.netns.front().counters.clear(); });
  };
  expect_unknown(judged(kId, resets(50, without), Policy{}), "OutRsts of namespace host was not read twice");
}

}  // namespace
}  // namespace tcpadvisor::resets_sent_test
