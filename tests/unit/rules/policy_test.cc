// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <set>

#include "tests/unit/expect.h"

namespace tcpadvisor::policy_test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(Policy, knows_two_names) {
  EXPECT_EQ(Policy::named("default")->age, 60s);
  EXPECT_EQ(Policy::named("lab")->min_count, 10u);
  auto wrong = Policy::named("strict");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::bad_input);
}

TEST(Policy, reads_a_file) {
  auto policy =
      Policy::parse("# ours\nwindow = \"5s\"\n\n  windows=4\r\nage = '2m'  # quoted\nmin_count = 100\n", "p.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->window, 5s);
  EXPECT_EQ(policy->windows, 4u);
  EXPECT_EQ(policy->age, 2min);
  EXPECT_EQ(policy->min_count, 100u);
  EXPECT_EQ(policy->name, "p.toml");
  EXPECT_EQ(Policy::parse("", "p")->window, 10s) << "an empty file is the default policy";
}

TEST(Policy, says_which_line_and_column_are_wrong) {
  struct Wrong {
    const char *text, *error;
  };
  for (const auto& [text, error] : {
           Wrong{"age = 60", "column 7: age: '60' is not a duration"},
           Wrong{"age = 60s", "column 9: parsing decimal integer: expected digit, saw 's'"},
           Wrong{"age = \"0s\"", "column 7: age: '0s' is out of range"},
           Wrong{"windows = 0", "column 11: windows: '0' is out of range: 1 to 1,000,000"},
           Wrong{"windows = \"x\"", "column 11: windows: 'x' is not a number"},
           Wrong{"windows = [1, 2]", "column 11: windows: 'a list' is not a number"},
           Wrong{"min_count = 99999999", "column 13: min_count: '99999999' is out of range"},
           Wrong{" ages = \"3s\"", "column 2: unknown key 'ages'; did you mean 'age'?"},
           Wrong{"threshold = 3", "column 1: unknown key 'threshold'; there are window, windows, age and min_count"},
           Wrong{"age \"3s\"", "column 5: "},
           Wrong{"[rules]", "column 2: unknown section [rules]"},
       }) {
    auto policy = Policy::parse(std::string("# a comment\n") + text, "p.toml");
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().code, ErrorCode::bad_input);
    EXPECT_THAT(policy.error().message, testing::StartsWith(std::string("p.toml, line 2, ") + error));
  }
}

TEST(Policy, a_rule_has_thresholds_of_its_own) {
  auto policy = Policy::parse(
      "min_count = 50\n[rule.close-wait-leak]\nmin_count = 20\n[rule.reader-too-slow]\nfull_share = 0.9\n"
      "stuck_for = \"90s\"\nmuch_unread = \"1M\"\n",
      "p");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->of("close-wait-leak").min_count, 20u);
  EXPECT_EQ(policy->of("close-wait-leak").value(kMinCount), 20);
  EXPECT_EQ(policy->of("fin-wait2-app-held").min_count, 50u);
  Policy reader = policy->of("reader-too-slow");
  EXPECT_EQ(reader.value(ratio_threshold("full_share", 0.75)), 0.9);
  EXPECT_EQ(reader.value(time_threshold("stuck_for", 5)), 90);
  EXPECT_EQ(reader.value(size_threshold("much_unread", 65'536)), 1 << 20);
  EXPECT_EQ(reader.value(ratio_threshold("share_of_samples", 0.5)), 0.5);
}

TEST(Policy, knows_what_was_meant) {
  auto message = [](const char* text) {
    auto policy = Policy::parse(text, "p");
    return policy ? std::string("read") : policy.error().message;
  };
  EXPECT_EQ(message("[rule.close-wait-leek]\nmin_count = 3"),
            "p, line 1, column 7: there is no rule 'close-wait-leek'; did you mean 'close-wait-leak'?");
  EXPECT_EQ(message("[rule.close-wait-leak]\n  min_cont = 3"),
            "p, line 2, column 3: unknown key 'min_cont'; did you mean 'min_count'?");
  EXPECT_THAT(message("[rule.close-wait-leak]\nage_of_it = 3"), HasSubstr("; there are min_count, share_of_sockets"));
  EXPECT_EQ(message("[rule.do-nothing]\nspurious_share = 2"),
            "p, line 2, column 18: spurious_share: '2' is out of range: 0 to 1 ratio");
  EXPECT_THAT(message("[rule.do-nothing]\nspurious_share = \"half\""), HasSubstr("not a number from 0 to 1"));
  EXPECT_THAT(message("[rule.user-queue-watermark]\nhigh = 2"), HasSubstr("this rule has no thresholds"));
}

TEST(Policy, sets_what_a_rule_compares_with_and_what_its_evidence_shows) {
  auto window = build::a_window(5, [](build::SampleBuilder& sample, std::size_t) {
    sample.add(12, build::a_socket().close_wait().age(70s).pid(42, "api"));
  });
  EXPECT_TRUE(judged("close-wait-leak", window, Policy{}).findings.empty());
  auto policy = Policy::parse("[rule.close-wait-leak]\nmin_count = 12", "p");
  ASSERT_TRUE(policy);
  auto finding = only_finding(judged("close-wait-leak", window, *policy));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->evidence.front().threshold, 12);
}

TEST(Rules, describe_themselves_and_the_documentation_names_every_threshold) {
  std::ifstream file(std::string(TCPADVISOR_SOURCE_DIR) + "/docs/policy.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  for (const Rule& rule : all_rules()) {
    EXPECT_GT(rule.explanation.size(), 60u) << rule.id;
    EXPECT_NE(rule.judge, nullptr) << rule.id;
    if (!rule.thresholds.empty()) {
      EXPECT_THAT(page, HasSubstr(fmt::format("`{}`", rule.id)));
    }
    for (const ExplainedBy& relation : rule.explained_by) EXPECT_NE(find_rule(relation.rule), nullptr) << rule.id;
    std::set<std::string_view> names;
    for (const Threshold& threshold : rule.thresholds) {
      EXPECT_TRUE(names.insert(threshold.name).second) << rule.id << " " << threshold.name;
      EXPECT_GE(threshold.initial, threshold.least) << threshold.name;
      EXPECT_LE(threshold.initial, threshold.most) << threshold.name;
      EXPECT_THAT(page, HasSubstr(fmt::format("`{}`", threshold.name))) << rule.id;
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::policy_test
