// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/travel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/builders.h"

namespace tcpadvisor::observe::travel_test {
namespace {

using namespace std::chrono_literals;

/// A tick a second; from tick `fault` to before `end` a process leaks CLOSE_WAIT.
class Story final : public History {
 public:
  Story(std::size_t ticks, std::size_t fault, std::size_t end) {
    for (std::size_t at = 0; at < ticks; ++at) {
      build::SampleBuilder sample = build::a_sample();
      sample.at(1000ms * at);
      if (at >= fault && at < end) {
        sample.add(40, build::a_socket().close_wait().age(70s).pid(42, "api"));
        sample.add(build::a_process(42, "api").close_wait(40, 40));
      }
      samples_.push_back(sample);
      moments_.push_back({samples_.back()->mono_ms, samples_.back()->wall_ms});
    }
  }
  const std::vector<Moment>& moments() const override { return moments_; }
  Result<SamplePtr> sample(std::size_t at) override {
    if (at == damaged) return fail(ErrorCode::bad_input, "damaged");
    return samples_[at];
  }
  std::size_t damaged = SIZE_MAX;

 private:
  std::vector<SamplePtr> samples_;
  std::vector<Moment> moments_;
};

bool has_leak(const ObservationPtr& seen) {
  return std::ranges::any_of(seen->verdict.findings, [](const Finding& one) {
    return one.id == "close-wait-leak" && one.severity != Severity::info;
  });
}

Policy lab() {
  return *Policy::named("lab");
}

TEST(Travel, the_next_change_is_where_a_fault_begins_and_where_it_ends) {
  Story story(600, 300, 320);  // 20 s of 10 min
  Travel travel(story, lab());
  auto seen = travel.go_to(0);
  ASSERT_TRUE(seen);
  std::vector<std::size_t> changes;
  ObservationPtr before = *seen;
  for (auto next = travel.next(); next && *next; next = travel.next()) {
    if (differ(before->verdict, (**next)->verdict)) changes.push_back(travel.place());
    before = **next;
  }
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_GE(changes[0], 300U);
  EXPECT_LT(changes[0], 306U);
  EXPECT_GE(changes[1], 320U);
  EXPECT_LT(changes[1], 324U);
  EXPECT_EQ(travel.place(), 599U);
  // A report about the moment that was found names it; one about another does not.
  auto there = observe_past(story, lab(), tick_before(story, changes[0], 5s), changes[0], 64);
  ASSERT_TRUE(there);
  EXPECT_TRUE(has_leak(*there));
  auto elsewhere = observe_past(story, lab(), 200, 250, 64);
  ASSERT_TRUE(elsewhere);
  EXPECT_FALSE(has_leak(*elsewhere));
}

TEST(Travel, goes_anywhere_and_sees_what_was_known_then) {
  Story story(100, 50, 100);
  Travel travel(story, lab());
  for (std::size_t at : {90U, 10U, 60U, 99U, 0U}) {
    auto seen = travel.go_to(at);
    ASSERT_TRUE(seen);
    EXPECT_EQ(travel.place(), at);
    EXPECT_EQ((*seen)->now().mono_ms, story.moments()[at].mono_ms);
    EXPECT_EQ(has_leak(*seen), at >= 60) << at;
  }
  ASSERT_TRUE(travel.go_to(1'000));
  EXPECT_EQ(travel.place(), 99U);
  auto more = travel.next();
  ASSERT_TRUE(more);
  EXPECT_FALSE(*more);
}

TEST(Travel, passes_over_what_is_damaged) {
  Story story(10, 99, 99);
  story.damaged = 5;
  Travel travel(story, lab());
  ASSERT_TRUE(travel.go_to(4));
  auto next = travel.next();
  ASSERT_TRUE(next && *next);
  EXPECT_EQ(travel.place(), 6U);
  ASSERT_TRUE(travel.go_to(5));
  EXPECT_FALSE(observe_past(story, lab(), 5, 5, 64));
}

TEST(Travel, moments_are_found_by_their_time) {
  Story story(100, 200, 200);
  const std::int64_t start = story.moments()[0].wall_ms;
  EXPECT_EQ(tick_at(story, start - 5'000), 0U);
  EXPECT_EQ(tick_at(story, start + 30'500), 30U);
  EXPECT_EQ(tick_at(story, start + 1'000'000), 99U);
  EXPECT_EQ(tick_before(story, 50, 10s), 40U);
  EXPECT_EQ(tick_before(story, 5, 10s), 0U);
  EXPECT_EQ(tick_before(story, 50, 0ms), 50U);
}

}  // namespace
}  // namespace tcpadvisor::observe::travel_test
