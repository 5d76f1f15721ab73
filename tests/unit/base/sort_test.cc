// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/sort.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::sort_test {
namespace {

struct Item {
  int rank = 0;
  std::size_t number = 0;
  std::unique_ptr<std::string> large;  // moves, and is not copied
};

TEST(SortByKey, is_stable_and_loses_nothing) {
  for (std::size_t count : {0, 1, 2, 3, 50, 1'000}) {
    std::vector<Item> items;
    for (std::size_t i = 0; i < count; ++i) {
      int rank = static_cast<int>(i * 7'919 % 13);
      items.push_back({rank, i, std::make_unique<std::string>(std::to_string(i))});
    }
    sort_by_key(items, [](const Item& item) { return item.rank; });
    ASSERT_EQ(items.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_NE(items[i].large, nullptr);
      EXPECT_EQ(*items[i].large, std::to_string(items[i].number));
      if (i == 0) continue;
      EXPECT_LE(items[i - 1].rank, items[i].rank);
      if (items[i - 1].rank == items[i].rank) {
        EXPECT_LT(items[i - 1].number, items[i].number);
      }
    }
  }
}

TEST(SortByKey, a_key_may_refer_to_its_item) {
  std::vector<std::string> words{"pear", "a text that is too long for the string itself", "fig", "apple"};
  sort_by_key(words, [](const std::string& word) { return std::string_view(word); });
  EXPECT_EQ(words, (std::vector<std::string>{"a text that is too long for the string itself", "apple", "fig", "pear"}));
}

}  // namespace
}  // namespace tcpadvisor::sort_test
