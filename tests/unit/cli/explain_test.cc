// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include "agent/cli/commands.h"

namespace tcpadvisor::cli::explain_test {
namespace {

std::string printed(std::initializer_list<const char*> words) {
  std::vector<const char*> line{"tcpadvisor", "explain"};
  line.insert(line.end(), words);
  auto parsed = parse_options(static_cast<int>(line.size()), line.data());
  if (!parsed || !parsed->options) return "usage";
  testing::internal::CaptureStdout();
  run_explain(*parsed->options);
  return testing::internal::GetCapturedStdout();
}

TEST(ExplainCommand, wrote_the_catalogue_in_the_documents) {
  std::ifstream file(std::string(TCPADVISOR_SOURCE_DIR) + "/docs/rules.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(page == printed({"--all", "--format", "md"}))
      << "write it again: ./dev run explain --all --format md > docs/rules.md";
}

TEST(ExplainCommand, knows_what_programs_read) {
  EXPECT_THAT(printed({"self.rss_bytes"}), testing::HasSubstr("resident memory of the agent"));
  EXPECT_THAT(printed({}), testing::HasSubstr("Values: values for programs\n"));
}

}  // namespace
}  // namespace tcpadvisor::cli::explain_test
