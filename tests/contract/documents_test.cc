// SPDX-License-Identifier: Apache-2.0
// What the documents name is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/contract/text_rules.h"

namespace tcpadvisor::contract::documents_test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

const fs::path kRoot = TCPADVISOR_SOURCE_DIR;

std::vector<fs::path> documents() {
  std::vector<fs::path> all;
  for (const char* folder : {"", "docs", "bpf"}) {
    for (const auto& entry : fs::directory_iterator(kRoot / folder)) {
      if (entry.path().extension() == ".md") all.push_back(entry.path());
    }
  }
  return all;
}

TEST(Documents, name_paths_that_exist) {
  EXPECT_GE(documents().size(), 8U);
  std::vector<std::string> missing;
  for (const fs::path& document : documents()) {
    std::ifstream file(document);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const std::string& path : paths_named_in(text)) {
      if (!fs::exists(kRoot / path)) missing.push_back(document.filename().string() + ": " + path);
    }
    for (const std::string& target : links_in(text)) {
      if (!fs::exists(document.parent_path() / target)) missing.push_back(document.filename().string() + ": " + target);
    }
  }
  EXPECT_THAT(missing, IsEmpty());
}

TEST(Documents, paths_and_links_are_found) {
  EXPECT_THAT(paths_named_in(
                  "see `advisor/rules/a.cc`, `tests/unit/` and `bpf/*.bpf.c`; `advisor/rules/NAME.cc`; not advisor/x"),
              ElementsAre("advisor/rules/a.cc", "tests/unit/"));
  EXPECT_THAT(links_in("[a](docs/a.md) [b](../x.md#part) [c](https://example.org/) [d](#here)"),
              ElementsAre("docs/a.md", "../x.md"));
}

}  // namespace
}  // namespace tcpadvisor::contract::documents_test
