// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/schedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace tcpadvisor::observe::schedule_test {
namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kMs = 1'000'000, kStart = 5'000 * kMs;

/// When ticks begin, in ms after the start, if each takes so long.
std::vector<std::uint64_t> ticks(const Schedule& schedule, std::vector<std::uint64_t> durations_ms) {
  std::vector<std::uint64_t> begun;
  std::optional<std::uint64_t> due = kStart;
  for (std::uint64_t duration : durations_ms) {
    begun.push_back((*due - kStart) / kMs);
    due = schedule.next_due_ns(kStart, *due, *due + duration * kMs);
    if (!due) break;
  }
  return begun;
}

TEST(Schedule, IsRegularUnlessATickTookTooLong) {
  EXPECT_EQ(ticks({.interval = 1s}, {10, 10, 3000, 10, 10}), (std::vector<std::uint64_t>{0, 1000, 2000, 5000, 6000}))
      << "no ticks are made up for";
}

TEST(Schedule, ThatHasALengthEndsWithTheTickBeforeIt) {
  Schedule schedule{.interval = 1s, .length = 2500ms};
  EXPECT_EQ(ticks(schedule, {1, 1, 1, 1, 1}), (std::vector<std::uint64_t>{0, 1000, 2000}));
  schedule.length = 3s;
  EXPECT_EQ(ticks(schedule, {1, 1, 1, 1, 1}), (std::vector<std::uint64_t>{0, 1000, 2000, 3000}));
  EXPECT_EQ(ticks(schedule, {1, 4000, 1}), (std::vector<std::uint64_t>{0, 1000}));
}

TEST(Schedule, OfAReportHasItsLastTickAtTheVeryEnd) {
  Schedule schedule{.interval = 1s, .length = 3200ms, .ends_with_tick = true};
  EXPECT_EQ(ticks(schedule, {1, 1, 1, 1, 1}), (std::vector<std::uint64_t>{0, 1000, 2000, 3200})) << "no sliver";
  schedule.length = 3700ms;
  EXPECT_EQ(ticks(schedule, {1, 1, 1, 1, 1, 1}), (std::vector<std::uint64_t>{0, 1000, 2000, 3000, 3700}));
  EXPECT_EQ(ticks(schedule, {1, 4000, 1}), (std::vector<std::uint64_t>{0, 1000})) << "it is over by then";
}

}  // namespace
}  // namespace tcpadvisor::observe::schedule_test
