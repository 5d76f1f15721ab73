// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/log.h"

#include <gtest/gtest.h>

namespace tcpadvisor::cli::log_test {
namespace {

std::string logged(LogLevel threshold) {
  testing::internal::CaptureStderr();
  set_log_level(threshold);
  log(LogLevel::debug, "d");
  log(LogLevel::info, "i");
  log(LogLevel::warning, "w {}");
  log(LogLevel::error, "e");
  set_log_level(LogLevel::warning);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, lines_are_those_that_scripts_know) {
  EXPECT_EQ(logged(LogLevel::debug),
            "tcpadvisor: debug: d\ntcpadvisor: info: i\ntcpadvisor: warning: w {}\ntcpadvisor: error: e\n");
}

TEST(Log, nothing_below_the_threshold) {
  EXPECT_EQ(logged(LogLevel::warning), "tcpadvisor: warning: w {}\ntcpadvisor: error: e\n");
  EXPECT_EQ(logged(LogLevel::error), "tcpadvisor: error: e\n");
  EXPECT_EQ(logged(LogLevel::off), "");
}

}  // namespace
}  // namespace tcpadvisor::cli::log_test
