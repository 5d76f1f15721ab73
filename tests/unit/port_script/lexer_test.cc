// SPDX-License-Identifier: Apache-2.0
#include "agent/port/script/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace tcpadvisor::port::script::lexer_test {
namespace {

TEST(Words, HaveColumnsAndEndAtAComment) {
  auto words = words_of("  send 10\tfrom A# to P");
  ASSERT_EQ(words.size(), 4U);
  EXPECT_EQ(words[0].text, "send");
  EXPECT_EQ(words[0].column, 3);
  EXPECT_EQ(words[1].column, 8);
  EXPECT_EQ(words[2].column, 11);
  EXPECT_EQ(words[3].text, "A");
  EXPECT_EQ(words[3].column, 16);
  EXPECT_TRUE(words_of("# nothing").empty());
  EXPECT_TRUE(words_of("").empty());
}

TEST(Words, NamesBeginWithALetter) {
  for (const char* name : {"A", "P1", "a_b", "Abcdefghijklmnopqrstuvwxyz012345"}) EXPECT_TRUE(is_name(name)) << name;
  for (const char* name : {"", "1", "_a", "a-b", "Abcdefghijklmnopqrstuvwxyz0123456", "ä"})
    EXPECT_FALSE(is_name(name)) << name;
}

struct Sum {
  const char* text;
  std::int64_t value;
};
class NumberOf : public testing::TestWithParam<Sum> {};

TEST_P(NumberOf, IsItsValue) {
  auto number = Number::parse(GetParam().text);
  ASSERT_TRUE(number) << number.error().message;
  EXPECT_EQ(number->evaluate({{"Q", 100}, {"K", 6}}).value_or(-999), GetParam().value);
}
INSTANTIATE_TEST_SUITE_P(Table, NumberOf,
                         testing::Values(Sum{"0", 0}, Sum{"-1", -1}, Sum{"8KiB", 8192}, Sum{"64K", 65536},
                                         Sum{"2MiB", 2 << 20}, Sum{"1G", 1 << 30}, Sum{"Q", 100}, Sum{"Q+10", 110},
                                         Sum{"2*K-1", 11}, Sum{"-Q+2*K*Q", 1100}, Sum{"Q-K-K", 88},
                                         Sum{"9223372036854775807", std::numeric_limits<std::int64_t>::max()}));

struct Wrong {
  const char* text;
  std::size_t offset;
  const char* message;
};
class WrongNumber : public testing::TestWithParam<Wrong> {};

TEST_P(WrongNumber, SaysWhere) {
  auto number = Number::parse(GetParam().text);
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().offset, GetParam().offset);
  EXPECT_THAT(number.error().message, testing::HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(Table, WrongNumber,
                         testing::Values(Wrong{"", 0, "missing"}, Wrong{"Q+", 2, "missing"}, Wrong{"-", 1, "missing"},
                                         Wrong{"1.5", 1, "not a number"}, Wrong{"+1", 0, "not a number"},
                                         Wrong{"Q++1", 2, "not a number"}, Wrong{"10KB", 3, "not a number"},
                                         Wrong{"2*(3)", 2, "not a number"},
                                         Wrong{"99999999999999999999", 0, "too large"},
                                         Wrong{"1+9223372036854775807GiB", 2, "too large"}));

TEST(Number, OverflowsAndUnknownNamesAreErrors) {
  EXPECT_THAT(Number::parse("Q*Q")->evaluate({{"Q", std::int64_t{1} << 40}}).error().message,
              testing::HasSubstr("too large"));
  EXPECT_THAT(Number::parse("9223372036854775807+1")->evaluate({}).error().message, testing::HasSubstr("too large"));
  EXPECT_THAT(Number::parse("X")->evaluate({}).error().message, testing::HasSubstr("'X' has no value"));
}

}  // namespace
}  // namespace tcpadvisor::port::script::lexer_test
