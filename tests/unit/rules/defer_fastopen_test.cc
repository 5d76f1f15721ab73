// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::defer_fastopen_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "defer-fastopen-lint";

Outcome with(const std::function<void(SampleBuilder&, std::size_t)>& fill, const Policy& policy = Policy{}) {
  return judged(kId, a_window(9, fill), policy);
}
/// In each second so many are put off; so many wait now.
Outcome put_off(std::uint64_t each, std::uint64_t waiting) {
  return with([=](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPDeferAcceptDrop", each * i).count(TcpState::new_syn_recv, waiting);
    sample.add(a_socket().listen(25, 0, 128).pid(31, "mail"));
  });
}

TEST(DeferFastopen, clients_that_wait_for_a_greeting_stay_half_open) {
  auto finding = only_finding(put_off(10, 50));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->topic, "defer-accept");
  EXPECT_EQ(finding->scope.pid, 31u);
  EXPECT_EQ(finding->scope.count, 50u);
  EXPECT_EQ(value_of(*finding, "silent_for"), 5);
  EXPECT_THAT(finding->title, HasSubstr("say nothing for 5 s"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("server speaks first"));
}

TEST(DeferFastopen, clients_that_ask_soon_cost_as_many_and_are_fine) {
  expect_fine(put_off(1'000, 30));
  expect_fine(put_off(10, 9));
  EXPECT_EQ(put_off(10, 10).findings.size(), 1u) << "1 s on average";
  expect_fine(put_off(1, 50));
}

TEST(DeferFastopen, what_a_flood_leaves_half_open_is_not_silence) {
  expect_fine(with([](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPDeferAcceptDrop", 10 * i).count(TcpState::new_syn_recv, 500);
    sample.counter("TcpExt.SyncookiesSent", 900 * i);
  }));
}

TEST(DeferFastopen, a_full_queue_of_fast_open_is_told) {
  auto refused = [](std::uint64_t each) {
    return with([=](SampleBuilder& sample, std::size_t i) {
      sample.counter("TcpExt.TCPFastOpenListenOverflow", each * i).counter("TcpExt.TCPFastOpenPassive", 100 * i);
    });
  };
  auto finding = only_finding(refused(4));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->topic, "fastopen-queue");
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
  EXPECT_EQ(value_of(*finding, "opened_fast"), 800);
  expect_fine(refused(1));
}

TEST(DeferFastopen, a_path_that_loses_its_data_is_told) {
  auto finding = only_finding(with([](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPFastOpenBlackhole", i < 5 ? 0 : 1).counter("TcpExt.TCPFastOpenActiveFail", i);
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "fastopen-blackhole");
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
}

TEST(DeferFastopen, all_three_may_happen) {
  Outcome all = with([](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPDeferAcceptDrop", 10 * i).count(TcpState::new_syn_recv, 50);
    sample.counter("TcpExt.TCPFastOpenListenOverflow", 10 * i).counter("TcpExt.TCPFastOpenBlackhole", i);
  });
  EXPECT_EQ(all.findings.size(), 3u);
}

TEST(DeferFastopen, is_not_assessed_without_its_counters) {
  expect_unknown(with([](SampleBuilder& sample, std::size_t) {
                   sample.set([](Sample& all) { all.netns.front().counters.erase("TcpExt.TCPFastOpenBlackhole"); });
                 }),
                 "TCPFastOpenBlackhole of namespace host was not read twice");
}

}  // namespace
}  // namespace tcpadvisor::defer_fastopen_test
