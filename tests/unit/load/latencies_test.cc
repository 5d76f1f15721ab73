// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/latencies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tcpadvisor::port::load::latencies_test {
namespace {

TEST(Latencies, of_nothing_are_nothing) {
  Latencies none;
  EXPECT_EQ(none.percentile(0.5), Time::zero());
  EXPECT_EQ(none.max(), Time::zero());
}

TEST(Latencies, small_ones_are_exact) {
  Latencies some;
  for (int ns = 1; ns <= 20; ++ns) some.add(Time(ns));
  EXPECT_EQ(some.percentile(0.5), Time(10));
  EXPECT_EQ(some.percentile(1), Time(20));
  EXPECT_EQ(some.percentile(0), Time(1));
}

TEST(Latencies, are_at_most_a_step_too_large) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> all;
  Latencies some;
  for (int i = 0; i < 100'000; ++i) {
    auto ns = static_cast<std::int64_t>(random() >> (random() % 63 + 1));
    all.push_back(ns);
    some.add(Time(ns));
  }
  std::ranges::sort(all);
  for (double share : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    auto exact = static_cast<double>(all[static_cast<std::size_t>(share * 100'000) - 1]);
    auto told = static_cast<double>(some.percentile(share).count());
    EXPECT_GE(told, exact) << share;
    EXPECT_LE(told, exact * (1 + 1.0 / 32) + 1) << share;
  }
  EXPECT_EQ(some.max(), Time(all.back()));
}

TEST(Latencies, negative_ones_count_as_none) {
  Latencies some;
  some.add(Time(-5));
  EXPECT_EQ(some.count(), 1U);
  EXPECT_EQ(some.percentile(1), Time::zero());
}

TEST(Latencies, merge_as_if_added_to_one) {
  Latencies a, b, both;
  for (int ns = 0; ns < 5'000; ns += 3) {
    (ns % 2 == 0 ? a : b).add(Time(ns));
    both.add(Time(ns));
  }
  a.merge(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.max(), both.max());
  for (double share : {0.1, 0.5, 0.99}) EXPECT_EQ(a.percentile(share), both.percentile(share));
}

}  // namespace
}  // namespace tcpadvisor::port::load::latencies_test
