// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "tests/unit/expect.h"

namespace tcpadvisor::conntrack_test {
namespace {

using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kId = "conntrack-full";

struct Story {
  std::uint64_t entries = 0;
  std::optional<std::uint64_t> max = 65'536;
  std::uint64_t dropped = 0, raced = 0, evicted = 0;  ///< a second; "drop" counts the raced as well
};

/// Six looks, one a second.
Window looks(const Story& story, const std::function<void(SampleBuilder&, std::size_t)>& more = {}) {
  return a_window(6, [&](SampleBuilder& sample, std::size_t i) {
    sample.cover("conntrack", "proc-file");
    sample.host_ns().conntrack = Conntrack{.count = story.entries, .max = story.max};
    if (story.entries > 0) {
      sample.counter("Conntrack.drop", 7 + (story.dropped + story.raced) * i);
      sample.counter("Conntrack.insert_failed", 3 + story.raced * i);
      sample.counter("Conntrack.early_drop", story.evicted * i);
    }
    if (more) more(sample, i);
  });
}

Outcome judge(const Story& story, const std::function<void(SampleBuilder&, std::size_t)>& more = {}) {
  return judged(kId, looks(story, more), Policy{});
}

// A node of a cluster behind NAT whose table of 65,536 is full: health checks of its containers fail.
TEST(ConntrackFull, a_full_table_that_drops_is_critical_and_gets_room) {
  auto finding = only_finding(judge({.entries = 65'536, .dropped = 200}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
  EXPECT_EQ(value_of(*finding, "packets_without_a_place"), 1'000);
  EXPECT_EQ(value_of(*finding, "entries"), 65'536);
  EXPECT_THAT(finding->meaning, HasSubstr("Programs in this namespace have 0 connections"));
  ASSERT_TRUE(finding->recommendation.change);
  const Change& change = *finding->recommendation.change;
  EXPECT_EQ(change.knob, "net.netfilter.nf_conntrack_max");
  EXPECT_EQ(change.current, std::vector<std::int64_t>{65'536});
  EXPECT_EQ(change.target, std::vector<std::int64_t>{262'144}) << "1.5 x (65,536 + 200 x 120) = 134,304";
  EXPECT_EQ(finding->recommendation.worst_case_memory_bytes, 262'144u * 320);
  EXPECT_EQ(text_of(change).scope, "host");
}

// A burst of tests, or another moment: the kernel's log is full of messages, and now there are 1,959 entries.
TEST(ConntrackFull, a_burst_that_has_passed_is_known_by_the_counter) {
  auto finding = only_finding(judge({.entries = 1'959, .max = 524'288, .dropped = 2}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->confidence_why, HasSubstr("burst"));
}

TEST(ConntrackFull, nearly_full_is_told_before_anything_is_lost) {
  auto finding = only_finding(judge({.entries = 58'983}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{131'072}) << "1.5 x 58,983 = 88,475";
  expect_fine(judge({.entries = 58'982}));
  Policy policy;
  policy.rules[kId]["full_share"] = 0.95;
  expect_fine(judged(kId, looks({.entries = 58'983}), policy));
}

TEST(ConntrackFull, the_fullest_look_counts) {
  auto finding = only_finding(judge({.entries = 100}, [](SampleBuilder& sample, std::size_t i) {
    if (i == 2) sample.host_ns().conntrack->count = 65'000;
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "entries"), 65'000);
}

TEST(ConntrackFull, entries_that_must_make_room_show_a_full_table) {
  auto finding = only_finding(judge({.entries = 30'000, .evicted = 5}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("25 of its entries made room"));
}

// Names that resolve in 5 s: two questions from one socket race for one entry, and the table is nearly empty.
TEST(ConntrackFull, lost_races_are_no_want_of_room) {
  auto finding = only_finding(judge({.entries = 4'000, .raced = 3}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "races");
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::none);
  EXPECT_THAT(finding->meaning, HasSubstr("A larger table changes nothing"));
  EXPECT_EQ(finding->not_useful.front().knob, "net.netfilter.nf_conntrack_max");
  expect_fine(judge({.entries = 4'000, .raced = 1}));
}

// Somebody scans the whole network through the host: more entries would be used up as well.
TEST(ConntrackFull, a_flood_gets_a_filter_and_no_larger_table) {
  auto finding = only_finding(judge({.entries = 65'536, .dropped = 50}, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.SyncookiesSent", 500 * i).counter("TcpExt.SyncookiesRecv", i);
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::attack);
  EXPECT_FALSE(finding->recommendation.change);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Filter the senders"));
}

TEST(ConntrackFull, short_connections_of_one_port_are_named) {
  auto finding = only_finding(judge({.entries = 65'536, .dropped = 10}, [](SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::time_wait, 60'000);
    PortTotals web;
    web.netns = build::kHostNetns;
    web.port = 8080;
    web.sockets[index_of(TcpState::time_wait)] = 60'000;
    sample.set([&](Sample& all) { all.ports = {web}; });
  }));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.steps.at(1), HasSubstr("port 8080 (60,000 of the entries)"));
  EXPECT_THAT(finding->meaning, Not(HasSubstr("Programs in this")));
}

TEST(ConntrackFull, never_takes_much_of_the_memory) {
  auto finding = only_finding(judge({.entries = 65'536, .dropped = 9}, [](SampleBuilder& sample, std::size_t) {
    sample.set([](Sample& all) { all.host.mem_bytes = 1u << 30; });
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity) << "a 64th of 1 GiB holds 52,428";
}

TEST(ConntrackFull, a_container_has_its_own_table_and_the_limit_of_the_host) {
  auto finding = only_finding(judge({.entries = 10}, [](SampleBuilder& sample, std::size_t i) {
    sample.set([&](Sample& all) {
      NetnsSample other = all.netns.front();
      other.id = 77;
      other.name = "pid:400";
      other.is_host = false;
      other.conntrack = Conntrack{.count = 65'536, .max = {}};  // not visible there
      other.counters["Conntrack.drop"] = 40 * i;
      all.netns.push_back(other);
    });
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.netns, 77u);
  EXPECT_EQ(value_of(*finding, "limit"), 65'536);
  EXPECT_EQ(text_of(*finding->recommendation.change).scope, "host");
}

TEST(ConntrackFull, a_table_with_room_or_without_a_limit_is_fine) {
  expect_fine(judge({.entries = 50}));
  expect_fine(judge({.entries = 0}));
  expect_fine(judge({.entries = 500'000, .max = 0}));
}

TEST(ConntrackFull, a_table_that_was_empty_at_first_had_dropped_nothing) {
  expect_fine(judge({}, [](SampleBuilder& sample, std::size_t i) {
    if (i < 5) return;
    sample.host_ns().conntrack->count = 12;
    sample.counter("Conntrack.drop", 7).counter("Conntrack.insert_failed", 3).counter("Conntrack.early_drop", 0);
  }));
}

/// No namespace has a table, and this is why.
Outcome without_table(std::string why, int sys_errno) {
  return judged(kId,
                a_window(3,
                         [&](SampleBuilder& sample, std::size_t) {
                           sample.cover("conntrack", "").set([&](Sample& all) {
                             all.netns.front().conntrack.reset();
                             Attempt tried;
                             tried.why_not = why;
                             tried.sys_errno = sys_errno;
                             all.coverage.back().attempts = {tried};
                           });
                         }),
                Policy{});
}

TEST(ConntrackFull, what_is_not_known_is_not_fine) {
  expect_unknown(without_table("connections are not tracked here", ENOENT), "not tracked here");
  EXPECT_TRUE(without_table("connections are not tracked here", ENOENT).nothing_there);
  EXPECT_FALSE(without_table("Permission denied", EACCES).nothing_there);
  expect_unknown(judge({.entries = 5, .max = {}}), "nf_conntrack_max is not visible in namespace host");
  expect_unknown(judge({.entries = 5},
                       [](SampleBuilder& sample, std::size_t) { sample.host_ns().counters.erase("Conntrack.drop"); }),
                 "Conntrack.drop of namespace host was not read twice");
}

}  // namespace
}  // namespace tcpadvisor::conntrack_test
