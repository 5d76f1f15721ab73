// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/moment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace tcpadvisor::cli::moment_test {
namespace {

class Moment : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }
  /// In a recording of 2026-11-30 23:00:00 to 01:00:00 of the next day; -1: not in it, -2: no moment.
  static std::int64_t at(const std::string& text) {
    auto moment = parse_moment(text);
    if (!moment) return -2;
    auto found = resolve(*moment, kFirst, kFirst + 7'200'000);
    return found ? (*found - kFirst) / 1000 : -1;
  }
  static constexpr std::int64_t kFirst = 1'796'079'600'000;
};

TEST_F(Moment, is_written_in_many_ways) {
  ASSERT_EQ(clock_text(kFirst), "2026-11-30 23:00:00");
  EXPECT_EQ(at("23:00:00"), 0);
  EXPECT_EQ(at("23:10"), 600);
  EXPECT_EQ(at("00:30:00"), 5400);  // after midnight
  EXPECT_EQ(at("2026-11-30T23:00:05"), 5);
  EXPECT_EQ(at("2026-12-01T00:00:00Z"), 3600);
  EXPECT_EQ(at("@1796079601"), 1);
  EXPECT_EQ(at("+90s"), 90);
  EXPECT_EQ(at("-30s"), 7170);
}

TEST_F(Moment, outside_the_recording_is_an_error_that_says_what_there_is) {
  EXPECT_EQ(at("12:00:00"), -1);
  EXPECT_EQ(at("+3h"), -1);
  EXPECT_EQ(at("-3h"), -1);
  EXPECT_EQ(at("2001-01-01T00:00:00"), -1);
  for (const char* none : {"", "yesterday", "25:00", "+", "+5", "@x", "@99999999999999999", "23:00:00 x"}) {
    EXPECT_EQ(at(none), -2) << none;
  }
  auto error = resolve(*parse_moment("+3h"), kFirst, kFirst + 7'200'000);
  EXPECT_THAT(error.error().message, testing::HasSubstr("it goes from 2026-11-30 23:00:00 to 2026-12-01 01:00:00"));
}

}  // namespace
}  // namespace tcpadvisor::cli::moment_test
