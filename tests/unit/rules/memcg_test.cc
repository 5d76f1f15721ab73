// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::memcg_test {
namespace {

using build::a_process;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "memcg-socket-pressure";
constexpr std::uint64_t kMiB = 1u << 20;

struct Story {
  std::uint64_t limit = 100 * kMiB, used = 99 * kMiB, sockets = 40 * kMiB, unread = 0;
  std::uint64_t met = 5;                      ///< times a second that the limit was met
  std::optional<std::uint64_t> refused = 30;  ///< a second
  std::uint64_t dropped = 8;                  ///< segments a second
};

/// Six looks, one a second, at one container.
Window looks(const Story& story, const std::function<void(SampleBuilder&, std::size_t)>& more = {}) {
  return a_window(6, [&](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPRcvQDrop", story.dropped * i);
    CgroupTotals web;
    web.id = 7;
    web.path = "/pod/web";
    web.sockets = 60;
    web.recv_q = story.unread;
    web.sock_bytes = story.sockets;
    web.memory_current = story.used;
    web.memory_max = story.limit;
    web.events_max = 100 + story.met * i;
    sample.set([&](Sample& all) {
      all.cgroups.push_back(web);
      all.refusals.reset();
      if (story.refused) all.refusals = BufferRefusals{.cgroup_recv = *story.refused * i};
    });
    if (more) more(sample, i);
  });
}

Outcome judge(const Story& story, const std::function<void(SampleBuilder&, std::size_t)>& more = {}) {
  return judged(kId, looks(story, more), Policy{});
}

TEST(MemcgSocketPressure, sockets_that_fill_a_container_get_a_higher_limit_or_smaller_buffers) {
  auto finding = only_finding(judge({}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.kind, ScopeKind::cgroup);
  EXPECT_EQ(finding->scope.cgroup, "/pod/web");
  EXPECT_EQ(finding->scope.count, 60u);
  EXPECT_EQ(value_of(*finding, "refused_for_a_cgroup"), 150);
  EXPECT_EQ(value_of(*finding, "limit_met"), 25);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("from 100 MiB to 160 MiB"));
}

TEST(MemcgSocketPressure, a_reader_that_does_not_read_is_fixed_first) {
  auto finding = only_finding(judge({.unread = 30 * kMiB}, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) {
      all.owners.push_back(a_process(12, "worker").cgroup("/pod/web").memory(40 * kMiB, 0, 30 * kMiB));
      all.owners.push_back(a_process(13, "other").cgroup("/pod/db").memory(90 * kMiB, 0, 90 * kMiB));
    });
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::application);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Fix worker[12] first: it has not read 30 MiB"));
}

// A container with a memory limit loses packets while its files are cached: sockets are not what fills it.
TEST(MemcgSocketPressure, cached_files_that_fill_a_container_are_told_apart) {
  auto finding = only_finding(judge({.sockets = kMiB}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("find out what fills it: its sockets take 1 MiB"));
}

TEST(MemcgSocketPressure, a_container_at_its_limit_whose_sockets_lack_nothing_is_fine) {
  expect_fine(judge({.refused = 0}));
  expect_fine(judge({.refused = 1}));
  EXPECT_EQ(judge({.refused = 2}).findings.size(), 1u);
}

// Buffers that nobody counts against the program's cgroup, on a host with plenty of memory.
TEST(MemcgSocketPressure, a_container_without_a_limit_is_no_topic) {
  expect_fine(judge({.limit = 64ull << 30, .refused = 0}));
  expect_unknown(judge({.limit = 64ull << 30}), "a cgroup around them may be");
}

TEST(MemcgSocketPressure, a_limit_that_was_not_met_is_not_the_reason) {
  expect_unknown(judge({.used = 90 * kMiB, .met = 0}), "a cgroup around them may be");
  EXPECT_EQ(judge({.used = 98 * kMiB, .met = 0}).findings.size(), 1u);
}

TEST(MemcgSocketPressure, without_the_hook_drops_speak) {
  auto finding = only_finding(judge({.refused = {}}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_FALSE(value_of(*finding, "refused_for_a_cgroup"));
  expect_unknown(judge({.refused = {}, .dropped = 0}), "is not visible");
  expect_fine(judge({.used = kMiB, .met = 0, .refused = {}, .dropped = 0}));
}

TEST(MemcgSocketPressure, of_two_at_their_limits_neither_is_sure) {
  Outcome outcome = judge({}, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) {
      CgroupTotals second = all.cgroups.front();
      second.id = 8;
      second.path = "/pod/db";
      all.cgroups.push_back(second);
    });
  });
  ASSERT_EQ(outcome.findings.size(), 2u);
  for (const Finding& finding : outcome.findings) EXPECT_EQ(finding.confidence, Confidence::medium);
}

TEST(MemcgSocketPressure, is_not_assessed_without_its_numbers) {
  Window without = a_window(3, [](SampleBuilder& sample, std::size_t) { sample.cover("cgroups", ""); });
  expect_unknown(judged(kId, without, Policy{}), "no memory cgroup was read");
  expect_unknown(judged(kId, a_window(1, [](SampleBuilder&, std::size_t) {}), Policy{}), "observe for longer");
}

}  // namespace
}  // namespace tcpadvisor::memcg_test
