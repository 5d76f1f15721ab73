// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <gmock/gmock.h>

namespace tcpadvisor {
namespace {

using namespace std::chrono_literals;

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

}  // namespace
}  // namespace tcpadvisor
