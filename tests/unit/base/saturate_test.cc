// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/saturate.h"

#include <gtest/gtest.h>

#include "advisor/base/text.h"

namespace tcpadvisor::saturate_test {
namespace {

constexpr std::uint64_t kMost = ~0ull;

TEST(Saturate, stays_at_the_end_of_the_range) {
  EXPECT_EQ(add_sat(kMost, 1), kMost);
  EXPECT_EQ(add_sat(std::uint64_t{2}, 3), 5u);
  EXPECT_EQ(add_sat(std::uint32_t{0xffffffff}, 7), 0xffffffffu);
  EXPECT_EQ(sub_sat(std::uint64_t{3}, 5), 0u);
  EXPECT_EQ(sub_sat(std::uint64_t{5}, 3), 2u);
  EXPECT_EQ(mul_sat(1ull << 53, 1ull << 11), kMost);
  EXPECT_EQ(mul_sat(std::uint64_t{6}, 7), 42u);
}

TEST(Saturate, reads_any_double) {
  EXPECT_EQ(to_u64(-1.0), 0u);
  EXPECT_EQ(to_u64(std::numeric_limits<double>::quiet_NaN()), 0u);
  EXPECT_EQ(to_u64(1e300), kMost);
  EXPECT_EQ(to_u64(2.9), 2u);
  EXPECT_EQ(to_u64(std::int64_t{-4}), 0u);
  EXPECT_EQ(to_i64(-1e300), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(to_i64(1e300), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(to_i64(std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_EQ(to_i64(-2.9), -2);
}

TEST(Saturate, knows_durations_and_powers_of_two) {
  EXPECT_EQ(milliseconds_sat(kMost), std::chrono::milliseconds::max());
  EXPECT_EQ(milliseconds_sat(70'000), std::chrono::seconds(70));
  EXPECT_EQ(pow2ceil(0), 1u);
  EXPECT_EQ(pow2ceil(1000), 1024u);
  EXPECT_EQ(pow2ceil(1ull << 63), 1ull << 63);
  EXPECT_EQ(pow2ceil((1ull << 63) + 1), kMost);
  EXPECT_EQ(human_duration(std::chrono::milliseconds::min()).front(), '-');
}

}  // namespace
}  // namespace tcpadvisor::saturate_test
