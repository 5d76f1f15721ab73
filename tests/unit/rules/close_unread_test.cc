// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::close_unread_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kId = "rst-on-close-unread";

/// What happens in each of eight seconds.
struct Traffic {
  std::uint64_t unread = 0, accepted = 0, begun = 0;
};

void fill(SampleBuilder& sample, std::size_t i, const Traffic& each) {
  sample.counter("TcpExt.TCPAbortOnClose", each.unread * i)
      .counter("Tcp.PassiveOpens", each.accepted * i)
      .counter("Tcp.ActiveOpens", each.begun * i);
}
Window seconds_of(const Traffic& each) {
  return a_window(9, [=](SampleBuilder& sample, std::size_t i) {
    fill(sample, i, each);
    sample.add(a_socket().listen(8080, 0, 128).pid(31, "web"));
  });
}

TEST(CloseUnread, a_server_that_refuses_uploads_without_reading_them_is_named) {
  auto finding = only_finding(judged(kId, seconds_of({.unread = 5, .accepted = 20}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->finding_class, FindingClass::application);
  EXPECT_EQ(finding->scope.pid, 31u);
  EXPECT_EQ(finding->scope.kind, ScopeKind::process);
  EXPECT_EQ(finding->scope.count, 40u);
  EXPECT_THAT(finding->title, StartsWith("40 connections were closed"));
  EXPECT_THAT(finding->title, HasSubstr("web[31]"));
  EXPECT_EQ(value_of(*finding, "share_of_connections"), 0.25);
  EXPECT_EQ(value_of(*finding, "closed_with_unread_data_rate"), 300);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("lingering close"));
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
}

TEST(CloseUnread, several_servers_are_not_told_apart) {
  Window window = a_window(9, [](SampleBuilder& sample, std::size_t i) {
    fill(sample, i, {.unread = 5, .accepted = 20});
    sample.add(a_socket().listen(8080, 0, 128).pid(31, "web"));
    sample.add(a_socket().listen(8081, 0, 128).pid(32, "api").cookie(2));
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
}

TEST(CloseUnread, a_server_that_nobody_can_see_is_not_guessed) {
  Window window = a_window(9, [](SampleBuilder& sample, std::size_t i) {
    fill(sample, i, {.unread = 5, .accepted = 20});
    sample.add(a_socket().listen(8080, 0, 128).pid(31, "web"));
    sample.add(a_socket().listen(8081, 0, 128).holder(Holder::unknown).cookie(2));
  });
  EXPECT_FALSE(only_finding(judged(kId, window, Policy{}))->scope.pid);
}

TEST(CloseUnread, both_ends_here_blame_nobody) {
  auto finding = only_finding(judged(kId, seconds_of({.unread = 5, .accepted = 20, .begun = 20}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_THAT(finding->recommendation.steps, testing::Contains(HasSubstr("web[31], the only program that listens")));
}

TEST(CloseUnread, clients_that_no_longer_want_the_rest_do_no_harm) {
  auto finding = only_finding(judged(kId, seconds_of({.unread = 20, .accepted = 1, .begun = 20}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  EXPECT_THAT(finding->confidence_why, HasSubstr("harmless as a rule"));
}

TEST(CloseUnread, a_program_that_ends_closes_all_it_has_at_once) {
  Window window = a_window(9, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPAbortOnClose", i < 4 ? 0 : 200).counter("Tcp.PassiveOpens", 100 * i);
    sample.counter("Tcp.ActiveOpens", 0);
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->confidence_why, HasSubstr("all at once"));
}

TEST(CloseUnread, checks_of_a_load_balancer_are_few) {
  Window window = a_window(121, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPAbortOnClose", i / 5).counter("Tcp.PassiveOpens", i).counter("Tcp.ActiveOpens", 0);
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info) << "12 a minute";
  EXPECT_THAT(finding->confidence_why, HasSubstr("they are few"));
}

TEST(CloseUnread, a_few_among_many_are_fine) {
  expect_fine(judged(kId, seconds_of({.unread = 1, .accepted = 1'000}), Policy{}));  // fewer than 10
  expect_fine(judged(kId, seconds_of({.unread = 9, .accepted = 1'000}), Policy{}));  // 0.9 %
  EXPECT_EQ(judged(kId, seconds_of({.unread = 10, .accepted = 1'000}), Policy{}).findings.size(), 1u) << "1 %";
  expect_fine(judged(kId, seconds_of({.unread = 0, .accepted = 50}), Policy{}));
}

TEST(CloseUnread, the_policy_sets_where_it_begins) {
  Policy policy;
  policy.rules[kId]["min_closes"] = 41;
  expect_fine(judged(kId, seconds_of({.unread = 5, .accepted = 20}), policy));
  policy.rules[kId]["min_closes"] = 40;
  EXPECT_EQ(judged(kId, seconds_of({.unread = 5, .accepted = 20}), policy).findings.size(), 1u);
}

TEST(CloseUnread, is_not_assessed_without_its_counter) {
  Window without = a_window(3, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) { all.netns.front().counters.erase("TcpExt.TCPAbortOnClose"); });
  });
  expect_unknown(judged(kId, without, Policy{}), "TCPAbortOnClose of namespace host was not read twice");
  expect_unknown(judged(kId, a_window(1, [](SampleBuilder&, std::size_t) {}), Policy{}), "observe for longer");
}

}  // namespace
}  // namespace tcpadvisor::close_unread_test
