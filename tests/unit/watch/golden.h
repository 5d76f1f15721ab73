// SPDX-License-Identifier: Apache-2.0
// Comparing a text with a file below tests/golden. TCPADVISOR_GOLDEN=write writes the files instead.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace tcpadvisor::test {

inline void expect_golden(const std::string& name, const std::string& text) {
  std::string path = std::string(TCPADVISOR_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("TCPADVISOR_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path << " is missing; run with TCPADVISOR_GOLDEN=write to write it";
  std::string wanted{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, wanted) << path << " differs; if the new text is right, run with TCPADVISOR_GOLDEN=write";
}

}  // namespace tcpadvisor::test
