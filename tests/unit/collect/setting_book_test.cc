// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/setting_book.h"

#include <gtest/gtest.h>

#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::collect::setting_book_test {
namespace {

TEST(SettingBook, reads_at_the_first_tick_and_once_a_minute) {
  os::TempTree tree;
  SettingBook book(tree.root());
  EXPECT_TRUE(book.files(5'000).lines.empty());
  tree.file("/etc/sysctl.d/a.conf", "net.core.somaxconn = 16");
  EXPECT_TRUE(book.files(5'000 + SettingBook::kReadAgainAfterMs - 1).lines.empty());
  EXPECT_EQ(book.files(5'000 + SettingBook::kReadAgainAfterMs).lines.size(), 1u);
}

}  // namespace
}  // namespace tcpadvisor::collect::setting_book_test
