// SPDX-License-Identifier: Apache-2.0
#include "agent/port/byte_queue.h"

#include <gtest/gtest.h>

#include <random>

namespace tcpadvisor::port::byte_queue_test {
namespace {

std::string gather(const std::vector<iovec>& parts) {
  std::string all;
  for (const iovec& part : parts) all.append(static_cast<const char*>(part.iov_base), part.iov_len);
  return all;
}

TEST(ByteQueue, JoinsShortPiecesOrKeepsThemApart) {
  for (auto [join_below, pieces] : {std::pair(0, 3u), std::pair(2, 2u), std::pair(100, 1u)}) {
    ByteQueue queue(static_cast<std::size_t>(join_below));
    for (std::string_view bytes : {"a", "b", "", "c"}) queue.append(bytes);
    EXPECT_EQ(queue.size(), 3u);
    EXPECT_EQ(queue.front(1024).size(), pieces) << join_below;
    EXPECT_EQ(gather(queue.front(1024)), "abc");
  }
}

TEST(ByteQueue, GivesAtMostSoManyPieces) {
  ByteQueue queue(0);
  for (int i = 0; i < 100; ++i) queue.append("ab");
  EXPECT_EQ(queue.front(16).size(), 16u);
  queue.consume(3);
  EXPECT_EQ(gather(queue.front(2)), "bab");
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.front(16).empty());
}

TEST(ByteQueue, KeepsTheOrderOfWhateverIsAppendedAndConsumed) {
  for (std::size_t join_below : {0u, 10u, 16'384u}) {
    std::mt19937 random(1);
    ByteQueue queue(join_below);
    std::string model;
    for (int step = 0; step < 20'000; ++step) {
      if (random() % 100 < 52) {
        std::string bytes(random() % 40, static_cast<char>('a' + random() % 26));
        queue.append(bytes);
        model += bytes;
      } else {
        std::size_t bytes = std::min<std::size_t>(random() % 40, model.size());
        queue.consume(bytes);
        model.erase(0, bytes);
      }
      ASSERT_EQ(queue.size(), model.size());
      std::string front = gather(queue.front(3));
      ASSERT_EQ(front, model.substr(0, front.size()));
      ASSERT_EQ(front.empty(), model.empty());
    }
    ASSERT_EQ(gather(queue.front(~std::size_t{0})), model);
  }
}

}  // namespace
}  // namespace tcpadvisor::port::byte_queue_test
