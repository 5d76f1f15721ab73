// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/answers.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/unit/watch/golden.h"
#include "tests/unit/watch/hosts.h"

namespace tcpadvisor::serve::answers_test {
namespace {

using exported::Exposition;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint64_t kStaleMs = 10'000;

class AnswersOf : public testing::Test {
 protected:
  void see(const observe::Observation& seen, std::uint64_t at_ms = 1'000) {
    answers_.see(std::make_shared<observe::Observation>(seen), at_ms);
  }
  Answer get(Page page, std::uint64_t at_ms = 1'000) { return answers_.answer(page, Exposition::prometheus, at_ms); }

  exported::AgentNumbers numbers_{.version = "1.2.3"};
  Answers answers_{numbers_, kStaleMs};
};

TEST_F(AnswersOf, nothing_is_ready_before_the_first_tick) {
  for (Page page : {Page::home, Page::metrics, Page::ready, Page::sample, Page::report, Page::coverage, Page::events})
    EXPECT_EQ(get(page).status, 503);
  EXPECT_EQ(get(Page::health).status, 200);
}

TEST_F(AnswersOf, each_page_says_the_latest_tick) {
  see(test::busy_host());
  EXPECT_EQ(nlohmann::json::parse(*get(Page::sample).body)["host"]["name"], "db1");
  EXPECT_EQ(nlohmann::json::parse(*get(Page::report).body)["findings"].size(), 2U);
  EXPECT_TRUE(nlohmann::json::parse(*get(Page::coverage).body)[0].contains("fact"));
  EXPECT_TRUE(nlohmann::json::parse(*get(Page::metric_list).body)[0].contains("points"));
  EXPECT_THAT(*get(Page::events).body, testing::AllOf(StartsWith("id: 2\nevent: tick\ndata: {"), EndsWith("]\n\n")));
  EXPECT_THAT(*get(Page::home).body, HasSubstr("python3 reads slower than its peer sends"));
  EXPECT_EQ(get(Page::ready).status, 200);
  EXPECT_EQ(numbers_.ticks, 1U);
}

TEST_F(AnswersOf, a_page_is_made_once_a_tick) {
  see(test::busy_host());
  const Body first = get(Page::metrics).body;
  EXPECT_EQ(get(Page::metrics).body, first);
  see(test::busy_host(), 2'000);
  EXPECT_NE(get(Page::metrics, 2'000).body, first);
  EXPECT_EQ(*get(Page::sample, 2'000).body, *get(Page::sample, 2'000).body);
}

TEST_F(AnswersOf, without_ticks_it_is_not_healthy_and_the_age_grows) {
  see(test::quiet_host());
  EXPECT_EQ(get(Page::health, 1'000 + kStaleMs).status, 200);
  EXPECT_EQ(get(Page::health, 1'001 + kStaleMs).status, 503);
  EXPECT_EQ(*get(Page::ready, 21'000).body, "no tick for 20 s\n");
  EXPECT_THAT(*get(Page::metrics).body, HasSubstr("\ntcpadvisor_snapshot_age_seconds 0.012\n"));
  EXPECT_THAT(*get(Page::metrics, 21'000).body, HasSubstr("\ntcpadvisor_snapshot_age_seconds 20.012\n"));
}

TEST_F(AnswersOf, a_failed_tick_is_told_by_readyz_and_counted) {
  see(test::quiet_host());
  answers_.see_failure("no walk\n");
  EXPECT_EQ(get(Page::ready).status, 503);
  EXPECT_EQ(*get(Page::ready).body, "the last tick failed: no walk?\n");
  EXPECT_EQ(get(Page::health).status, 200);
  EXPECT_EQ(numbers_.failed_ticks, 1U);
  see(test::quiet_host(), 2'000);
  EXPECT_EQ(get(Page::ready, 2'000).status, 200);
}

TEST_F(AnswersOf, a_tick_that_is_late_by_more_than_an_interval_is_counted) {
  for (int gap_ms : {1'000, 2'000, 2'001}) {
    observe::Observation seen;
    seen.window = build::a_window(2, [](build::SampleBuilder&, std::size_t) {}, std::chrono::milliseconds(gap_ms));
    see(seen);
    EXPECT_EQ(numbers_.late_ticks, gap_ms > 2'000 ? 1U : 0U) << gap_ms;
  }
  EXPECT_THAT(*get(Page::metrics).body, HasSubstr("\ntcpadvisor_late_ticks_total 1\n"));
  observe::Observation rested;  // nobody wanted the ticks between
  rested.window = build::a_window(2, [](build::SampleBuilder&, std::size_t) {}, std::chrono::milliseconds(5'000));
  rested.looks_spared = 4;
  see(rested);
  EXPECT_EQ(numbers_.late_ticks, 1U);
}

TEST_F(AnswersOf, the_page_loads_its_own_files_and_obeys_nobody) {
  observe::Observation seen = test::busy_host();
  seen.verdict.findings.front().title = "<script src=//evil.example>{{links}}</script>";
  see(seen);
  const std::string page = *get(Page::home).body;
  EXPECT_THAT(page, HasSubstr("&lt;script src=//evil.example&gt;{{links}}"));
  EXPECT_THAT(page, testing::Not(HasSubstr("http")));
  EXPECT_THAT(page, testing::Not(HasSubstr("{{host}}")));
  test::expect_golden("serve/home-busy.html", page);
}

TEST_F(AnswersOf, files_of_the_page_are_there_before_the_first_tick) {
  const Answer script = answers_.answer(Page::asset, Exposition::prometheus, 1'000, "live.js");
  EXPECT_EQ(script.status, 200);
  EXPECT_EQ(script.media_type, "text/javascript; charset=utf-8");
  EXPECT_THAT(*script.body, HasSubstr("EventSource"));
  EXPECT_EQ(answers_.answer(Page::asset, Exposition::prometheus, 1'000, "live.js").body, script.body);
  EXPECT_EQ(answers_.answer(Page::asset, Exposition::prometheus, 1'000, "../home.cc").status, 404);
}

TEST_F(AnswersOf, a_rule_is_explained_and_nothing_else) {
  see(test::busy_host());
  const Answer rule = answers_.answer(Page::explain, Exposition::prometheus, 1'000, "close-wait-leak");
  EXPECT_EQ(rule.status, 200);
  EXPECT_THAT(*rule.body, HasSubstr("<code>close-wait-leak</code>"));
  for (const char* name : {"", "tcp_rmem", "no-such-rule", "<b>"})
    EXPECT_EQ(answers_.answer(Page::explain, Exposition::prometheus, 1'000, name).status, 404) << name;
}

TEST_F(AnswersOf, the_history_grows_with_each_tick_and_the_latest_is_in_the_event) {
  see(test::busy_host());
  const auto history = nlohmann::json::parse(*get(Page::history).body);
  EXPECT_EQ(history["ts"].size(), 1U);
  EXPECT_EQ(history["courses"].size(), kCourses);
  EXPECT_THAT(*get(Page::events).body, HasSubstr("\n\nevent: course\ndata: [" + history["ts"][0].dump() + ","));
}

}  // namespace
}  // namespace tcpadvisor::serve::answers_test
