// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "tests/unit/expect.h"

namespace tcpadvisor::closes_in_bursts_test {
namespace {

using build::a_process;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "closes-in-bursts";

/// 60 requests a second, 4 collections a second, for 5 s: each request takes 4 ms.
Closes collected() {
  Closes out;
  out.netns = kHostNetns;
  out.pid = 7;
  out.comm = "rpc-client";
  out.count = 300;
  out.since_ms = 5'000;
  out.last_ms_ago = 120;
  out.clumps = 20;
  out.gathered = 300;
  out.largest = 16;
  out.destination = Endpoint::v4(10, 0, 0, 7, 9000);
  out.elsewhere = 1;
  out.quiet_ms = 121;
  out.used_ms = 4;
  out.youngest_ms = 12;
  out.oldest_ms = 248;
  out.shortest_quiet_ms = 8;
  out.quietest_ms = 244;
  return out;
}

Window seen(const Closes& closes, const std::function<void(SampleBuilder&)>& more = {}) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t) {
    sample.set([&](Sample& now) { now.closes = {closes}; }).cover("state-changes", "hook");
    sample.add(a_process(7, "rpc-client").sockets(TcpState::established, 9).fds(24, 1'024));
    if (more) more(sample);
  });
}

template <typename Change>
Outcome judged_with(Change change) {
  Closes closes = collected();
  change(closes);
  return judged(kId, seen(closes), Policy{});
}

TEST(ClosesInBursts, the_process_is_named_not_the_thread_that_closes) {
  Closes closes = collected();
  closes.comm = "Finalizer";
  auto finding = only_finding(judged(kId, seen(closes), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.comm, "rpc-client");
  EXPECT_THAT(finding->title, HasSubstr("rpc-client[7] does not close"));
}

TEST(ClosesInBursts, says_who_leaks_and_what_would_end_without_the_collector) {
  auto finding = only_finding(judged(kId, seen(collected()), Policy{}));
  ASSERT_TRUE(finding);
  expect_complete(*finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_EQ(finding->scope.remote, "10.0.0.7:9000");
  EXPECT_EQ(
      finding->title,
      "rpc-client[7] does not close its connections: about 15 at a time are closed together, 121 ms after their last "
      "byte");
  EXPECT_THAT(finding->meaning, HasSubstr("4.0 times a second some 15 connections"));
  EXPECT_THAT(finding->meaning, HasSubstr("the 1,024 descriptors that it may have end in 16 s"));
  EXPECT_THAT(finding->meaning, HasSubstr("the 28,232 local ports towards 10.0.0.7:9000 in 7m 50s"));
  EXPECT_EQ(value_of(*finding, "closed_per_second"), 60);
  EXPECT_NEAR(value_of(*finding, "quiet_before_close").value_or(0), 0.121, 1e-9);
}

TEST(ClosesInBursts, is_information_where_nothing_ends_soon) {
  Closes closes = collected();
  closes.elsewhere = 290;  // as a server's: each client has a port of its own
  auto finding = only_finding(judged(
      kId,
      seen(closes,
           [](SampleBuilder& sample) { sample.set([](Sample& now) { now.owners.back().fd_limit = 1'000'000; }); }),
      Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->scope.remote, "");
  EXPECT_FALSE(value_of(*finding, "ports_would_end_in"));
}

TEST(ClosesInBursts, names_a_process_that_is_not_seen_without_its_number) {
  auto finding = only_finding(judged_with([](Closes& c) { c.pid = 0; }));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_THAT(finding->title, HasSubstr("rpc-client (a process that is not seen)"));
}

TEST(ClosesInBursts, a_few_bursts_are_no_rhythm) {
  expect_fine(judged_with([](Closes& c) { c.clumps = 3, c.count = c.gathered = 45; }));
  EXPECT_TRUE(only_finding(judged_with([](Closes& c) { c.clumps = 4, c.count = c.gathered = 60; })));
}

TEST(ClosesInBursts, a_pool_that_shrinks_once_is_none) {
  expect_fine(judged_with([](Closes& c) {
    c.clumps = 1;
    c.count = c.gathered = 40;
    c.quiet_ms = 30'000;
    c.since_ms = 600;
  }));
}

TEST(ClosesInBursts, what_a_timer_closes_has_rested_for_its_time) {
  expect_fine(judged_with([](Closes& c) {  // 1 s, looked at each 250 ms
    c.quiet_ms = 1'125;
    c.shortest_quiet_ms = 1'010;
    c.quietest_ms = 1'245;
    c.youngest_ms = 1'014;
    c.oldest_ms = 5'000;
  }));
}

TEST(ClosesInBursts, what_was_opened_together_has_one_age) {
  expect_fine(judged_with([](Closes& c) { c.youngest_ms = 240; }));  // 15 answers, closed when the last is there
}

TEST(ClosesInBursts, requests_that_are_closed_at_once_are_none) {
  expect_fine(judged_with([](Closes& c) { c.quiet_ms = c.shortest_quiet_ms = c.quietest_ms = 0; }));
  expect_fine(judged_with([](Closes& c) { c.quiet_ms = 19.9; }));
  expect_fine(judged_with([](Closes& c) { c.used_ms = 60; }));  // quiet twice as long as used
}

TEST(ClosesInBursts, most_closes_come_one_by_one) {
  expect_fine(judged_with([](Closes& c) { c.count = 400; }));
  EXPECT_TRUE(only_finding(judged_with([](Closes& c) { c.count = 375; })));
}

TEST(ClosesInBursts, what_is_over_is_not_told) {
  expect_fine(judged_with([](Closes& c) { c.last_ms_ago = 61'000; }));
}

TEST(ClosesInBursts, without_a_hook_nobody_sees_it) {
  Window window = seen(collected(), [](SampleBuilder& sample) { sample.cover("state-changes", "derived"); });
  expect_unknown(judged(kId, window, Policy{}), "seen by a hook on changes of state only");
}

TEST(ClosesInBursts, says_that_some_were_not_counted) {
  Closes none;
  none.since_ms = 1;
  Window window =
      seen(none, [](SampleBuilder& sample) { sample.set([](Sample& now) { now.self.lost["closes"] = 12; }); });
  expect_unknown(judged(kId, window, Policy{}), "12 closes were not counted");
}

TEST(ClosesInBursts, hostile_numbers_do_no_harm) {
  for (double most : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::max()}) {
    (void)judged_with([&](Closes& c) {
      c.count = c.gathered = c.clumps = c.largest = std::numeric_limits<std::uint64_t>::max();
      c.since_ms = 500;
      c.quiet_ms = c.oldest_ms = c.quietest_ms = most;
    });
  }
}

}  // namespace
}  // namespace tcpadvisor::closes_in_bursts_test
