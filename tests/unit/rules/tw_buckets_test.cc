// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::tw_buckets_test {
namespace {

using build::a_window;
using build::SampleBuilder;

constexpr const char* kId = "tw-bucket-overflow";

/// Six looks, one a second: `held` entries, and `turned_away` more each second.
Window entries(std::uint64_t held, std::uint64_t turned_away, std::int64_t limit) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t i) {
    sample.count(TcpState::time_wait, held).sysctl("net.ipv4.tcp_max_tw_buckets", {limit});
    sample.counter("TcpExt.TCPTimeWaitOverflow", turned_away * i).counter("Tcp.OutRsts", 10 * i);
  });
}

TEST(TwBuckets, what_is_turned_away_is_a_warning_with_enough_room_for_a_minute_of_it) {
  auto finding = only_finding(judged(kId, entries(30, 14, 30), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(value_of(*finding, "time_wait_overflow"), 70);
  EXPECT_EQ(value_of(*finding, "resets_sent"), 50);
  ASSERT_TRUE(finding->recommendation.change);
  const Change& change = *finding->recommendation.change;
  EXPECT_EQ(change.knob, "net.ipv4.tcp_max_tw_buckets");
  EXPECT_EQ(change.current, std::vector<std::int64_t>{30});
  EXPECT_EQ(change.target, std::vector<std::int64_t>{2'048}) << "1.5 x (30 + 14 x 60) = 1,305";
  EXPECT_EQ(finding->recommendation.worst_case_memory_bytes, 2'048u * 256);
}

TEST(TwBuckets, a_burst_that_has_passed_is_known_by_the_counter) {
  auto finding = only_finding(judged(kId, entries(3, 1, 1'000), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{2'048}) << "1.5 x (1,000 + 60)";
}

TEST(TwBuckets, nearly_full_is_told_before_anything_is_lost) {
  auto finding = only_finding(judged(kId, entries(900, 0, 1'000), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{2'048}) << "1.5 x 900 = 1,350";
  expect_fine(judged(kId, entries(899, 0, 1'000), Policy{}));
}

TEST(TwBuckets, fewer_than_the_policy_says_are_no_topic) {
  Policy policy;
  policy.rules[kId]["min_overflows"] = 71;
  expect_fine(judged(kId, entries(10, 14, 30), policy));
  policy.rules[kId]["min_overflows"] = 70;
  EXPECT_EQ(judged(kId, entries(10, 14, 30), policy).findings.size(), 1u);
}

TEST(TwBuckets, many_entries_with_room_are_fine) {
  expect_fine(judged(kId, entries(60'000, 0, 131'072), Policy{}));
  expect_fine(judged(kId, entries(0, 0, 0), Policy{}));  // switched off, and nobody needed it
}

TEST(TwBuckets, is_never_lowered_and_never_takes_much_of_the_memory) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    sample.count(TcpState::time_wait, 100'000).sysctl("net.ipv4.tcp_max_tw_buckets", {100'000});
    sample.counter("TcpExt.TCPTimeWaitOverflow", 5'000 * i).set([](Sample& all) { all.host.mem_bytes = 1u << 30; });
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity) << "a 64th of 1 GiB holds 65,536";
}

TEST(TwBuckets, closed_connections_in_fin_wait_2_take_places_as_well) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t i) {
    sample.count(TcpState::time_wait, 5).count(TcpState::fin_wait_2, 30);
    sample.sysctl("net.ipv4.tcp_max_tw_buckets", {30}).counter("TcpExt.TCPTimeWaitOverflow", i);
    sample.host_ns().sockstat->tw = 30;
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.steps.front(), testing::HasSubstr("25 of the entries are FIN_WAIT_2"));
}

TEST(TwBuckets, each_namespace_has_its_own_table) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t i) {
    sample.set([&](Sample& all) {
      NetnsSample other = all.netns.front();
      other.id = 77;
      other.name = "blue";
      other.is_host = false;
      other.sysctls["net.ipv4.tcp_max_tw_buckets"].values = {50};
      other.counters["TcpExt.TCPTimeWaitOverflow"] = 3 * i;
      all.netns.push_back(other);
    });
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.netns_name, "blue");
  EXPECT_EQ(text_of(*finding->recommendation.change).scope, "netns blue");
}

TEST(TwBuckets, is_not_assessed_without_its_numbers) {
  auto without = [](auto spoil) {
    return judged(kId, a_window(3, [&](SampleBuilder& sample, std::size_t) { sample.set(spoil); }), Policy{});
  };
  expect_unknown(without([](Sample& all) { all.netns.front().sysctls.erase("net.ipv4.tcp_max_tw_buckets"); }),
                 "tcp_max_tw_buckets of namespace host was not read");
  expect_unknown(without([](Sample& all) { all.netns.front().counters.clear(); }), "was not read twice");
  expect_unknown(judged(kId, a_window(1, [](SampleBuilder&, std::size_t) {}), Policy{}), "observe for longer");
}

}  // namespace
}  // namespace tcpadvisor::tw_buckets_test
