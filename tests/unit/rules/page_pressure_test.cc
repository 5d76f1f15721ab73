// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::page_pressure_test {
namespace {

using build::a_process;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "page-alloc-pressure";

struct Story {
  std::uint64_t pressures = 3;                  ///< times, in the window
  std::uint64_t pages = 900;                    ///< of 285,000
  std::optional<std::uint64_t> stall_ms = 200;  ///< a second
  std::optional<std::uint64_t> reclaims = 40;   ///< a second
  std::uint64_t kills = 0;
};

Window looks(const Story& story, const std::function<void(Sample&)>& more = {}) {
  return a_window(6, [&](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPMemoryPressures", i >= 3 ? story.pressures : 0);
    sample.set([&](Sample& all) {
      all.memory.pages = story.pages;
      all.host_pressure = HostPressure{};
      if (story.stall_ms) all.host_pressure->memory_some = Stall{.total_us = 5'000 + *story.stall_ms * 1'000 * i};
      if (story.reclaims) all.host_pressure->allocation_stalls = *story.reclaims * i;
      all.host_pressure->oom_kills = i >= 4 ? story.kills : 0;
      if (more) more(all);
    });
  });
}

Outcome judge(const Story& story, const std::function<void(Sample&)>& more = {}) {
  return judged(kId, looks(story, more), Policy{});
}

TEST(PageAllocPressure, a_host_without_memory_puts_tcp_under_pressure_far_below_its_marks) {
  auto finding = only_finding(judge({}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_EQ(value_of(*finding, "pressure_entered"), 3);
  EXPECT_EQ(value_of(*finding, "time_waited_for_memory"), 0.2);
  EXPECT_EQ(value_of(*finding, "allocation_stalls"), 200);
  EXPECT_EQ(finding->not_useful.front().knob, "net.ipv4.tcp_mem");
}

TEST(PageAllocPressure, killed_processes_are_critical_and_the_largest_is_named) {
  Story story;
  story.kills = 1;
  auto finding =
      only_finding(judge(story, [](Sample& all) { all.owners.push_back(a_process(31, "java").rss(20ull << 30)); }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("java[31] with 20 GiB of 24 GiB"));
}

TEST(PageAllocPressure, reclaim_alone_is_evidence_where_stalls_are_not_measured) {
  auto finding = only_finding(judge({.stall_ms = {}, .reclaims = 1}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(PageAllocPressure, tcps_own_use_explains_the_pressure_from_half_of_the_first_mark_on) {
  EXPECT_EQ(judge({.pages = 142'499}).findings.size(), 1u);
  expect_fine(judge({.pages = 142'500}));
  expect_fine(judge({.pages = 400'000}));
}

TEST(PageAllocPressure, a_short_host_without_pressure_of_tcp_is_no_topic) {
  expect_fine(judge({.pressures = 0}));
}

TEST(PageAllocPressure, pressure_on_a_host_with_memory_is_not_explained) {
  expect_unknown(judge({.stall_ms = 0, .reclaims = 0}), "a burst between two looks");
  expect_unknown(judge({.stall_ms = 9, .reclaims = 0}), "a burst between two looks");
  EXPECT_EQ(judge({.stall_ms = 10, .reclaims = 0}).findings.size(), 1u);
  expect_unknown(judge({.stall_ms = {}, .reclaims = {}}), "is not known");
}

TEST(PageAllocPressure, a_host_that_has_next_to_nothing_left_is_short) {
  auto little = [](Sample& all) { all.host.mem_available_bytes = all.host.mem_bytes / 50; };
  EXPECT_EQ(judge({.stall_ms = 0, .reclaims = 0}, little).findings.size(), 1u);
}

TEST(PageAllocPressure, is_not_assessed_without_its_numbers) {
  expect_unknown(judge({}, [](Sample& all) { all.memory.pages.reset(); }), "could not be read");
  expect_unknown(judge({.pressures = 0}, [](Sample& all) { all.netns.front().counters.clear(); }), "not read twice");
  expect_unknown(judged(kId, a_window(1, [](SampleBuilder&, std::size_t) {}), Policy{}), "observe for longer");
}

}  // namespace
}  // namespace tcpadvisor::page_pressure_test
