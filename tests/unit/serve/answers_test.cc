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
  EXPECT_THAT(*get(Page::events).body, testing::AllOf(StartsWith("id: 2\nevent: tick\ndata: {"), EndsWith("}\n\n")));
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

TEST_F(AnswersOf, the_page_loads_nothing_and_obeys_nobody) {
  observe::Observation seen = test::busy_host();
  seen.verdict.findings.front().title = "<script src=//evil.example></script>";
  see(seen);
  const std::string page = *get(Page::home).body;
  EXPECT_THAT(page, testing::Not(HasSubstr("<script")));
  EXPECT_THAT(page, testing::Not(HasSubstr("http")));
  test::expect_golden("serve/home-busy.html", page);
}

}  // namespace
}  // namespace tcpadvisor::serve::answers_test
