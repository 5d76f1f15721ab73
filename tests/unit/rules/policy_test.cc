// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <gmock/gmock.h>

namespace tcpadvisor {
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
      Policy::parse("# ours\nwindow = 5s\n\n  windows=4\r\nage = \"2m\"  # quoted\nmin_count = 100\n", "p.toml");
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->window, 5s);
  EXPECT_EQ(policy->windows, 4u);
  EXPECT_EQ(policy->age, 2min);
  EXPECT_EQ(policy->min_count, 100u);
  EXPECT_EQ(policy->name, "p.toml");
  EXPECT_EQ(Policy::parse("", "p")->window, 10s) << "an empty file is the default policy";
}

TEST(Policy, says_which_line_is_wrong) {
  for (const char* wrong : {"age = 60", "age = 0s", "windows = 0", "windows = x", "min_count = 99999999", "ages = 3s",
                            "age 3s", "[rules]"}) {
    auto policy = Policy::parse(std::string("# a comment\n") + wrong, "p.toml");
    ASSERT_FALSE(policy) << wrong;
    EXPECT_EQ(policy.error().code, ErrorCode::bad_input);
    EXPECT_THAT(policy.error().message, HasSubstr("p.toml:2: "));
  }
}

}  // namespace
}  // namespace tcpadvisor
