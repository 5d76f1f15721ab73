// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/thinning.h"

#include <gtest/gtest.h>

#include "tests/unit/builders.h"

namespace tcpadvisor::thinning_test {
namespace {

using namespace std::chrono_literals;
using build::a_sample;
using build::a_socket;
using build::milliseconds;

constexpr Keep kReport{.recent = 30s, .recent_ticks = 96, .older_ticks = 64};

SamplePtr at(milliseconds time, std::uint64_t counted = 0) {
  return a_sample().at(time).counter("Tcp.OutSegs", counted);
}

Window observe(milliseconds length, milliseconds interval, const Keep& keep) {
  Window window;
  std::uint64_t n = 0;
  for (milliseconds now{0}; now <= length; now += interval) window.push(at(now, 3 * n++), keep);
  return window;
}

TEST(Thinning, nothing_goes_while_there_is_room) {
  Window window = observe(60s, 1s, kReport);
  EXPECT_EQ(window.samples(), 61u);
  EXPECT_EQ(window.taken(), 61u);
}

TEST(Thinning, a_day_is_as_small_as_a_few_minutes) {
  Window day = observe(24h, 1s, kReport), minutes = observe(10min, 1s, kReport);
  EXPECT_EQ(day.taken(), 86'401u);
  EXPECT_LE(day.samples(), 64u + 96u + 3u);
  EXPECT_LT(day.past_bytes(), 2 * minutes.past_bytes());
  EXPECT_EQ(day.span_s(), 86'400) << "the first tick stays";
  EXPECT_EQ(day.interval_s(), 1);
  EXPECT_EQ(day.increase("Tcp.OutSegs"), 3 * 86'400.0) << "so the increase is exact";
  EXPECT_EQ(day.counter(build::kHostNetns, "Tcp.OutSegs").worst_step(day.interval_s()), 3)
      << "a step that is longer because ticks are missing is no burst";
}

TEST(Thinning, the_recent_ticks_are_those_of_a_full_window) {
  Window all = observe(600s, 1s, {}), thin = observe(600s, 1s, kReport);
  ASSERT_EQ(all.samples(), 601u);
  for (std::size_t back = 1; back <= 31; ++back) {
    EXPECT_EQ(thin.at(thin.samples() - back).number, all.at(all.samples() - back).number);
  }
  std::vector<Past> of_all = all.split(3, 10s), of_thin = thin.split(3, 10s);
  ASSERT_EQ(of_thin.size(), 3u);
  for (std::size_t part = 0; part < 3; ++part) {
    EXPECT_EQ(of_thin[part].samples(), of_all[part].samples());
    EXPECT_EQ(of_thin[part].first().mono_ms, of_all[part].first().mono_ms);
    EXPECT_EQ(of_thin[part].last().mono_ms, of_all[part].last().mono_ms);
  }
}

TEST(Thinning, short_intervals_do_not_fill_the_memory) {
  Window window = observe(60s, 10ms, {.recent = 30s, .recent_ticks = 96, .older_ticks = 0});
  EXPECT_LE(window.samples(), 100u);
  EXPECT_GE(window.span_s(), 30);
  ASSERT_NE(window.before(), nullptr);
  EXPECT_EQ(window.latest().mono_ms - window.before()->mono_ms, 10u) << "rates are taken from the tick before";
}

TEST(Thinning, a_long_interval_leaves_enough_ticks) {
  Window window = observe(1h, 60s, {.recent = 30s, .recent_ticks = 96, .older_ticks = 0});
  EXPECT_EQ(window.samples(), 3u);
}

TEST(Thinning, a_clock_that_stands_or_runs_back_is_survived) {
  Window window;
  for (int i = 0; i < 1000; ++i) window.push(at(0s), kReport);
  EXPECT_LE(window.samples(), 4u);
  for (std::uint64_t mono_ms : {UINT64_MAX, std::uint64_t{0}, std::uint64_t{1} << 53, std::uint64_t{1}, UINT64_MAX}) {
    window.push(a_sample().set([&](Sample& sample) { sample.mono_ms = mono_ms; }), kReport);
    EXPECT_GE(window.span_s(), 0);
  }
}

TEST(Window, remembers_the_last_words_of_a_queue) {
  using build::a_user_queue;
  Keep keep{.recent = 5s};
  Window window;
  for (int i = 0; i < 20; ++i) {
    build::SampleBuilder sample = a_sample().at(1s * i);
    if (i < 3) sample.add(a_user_queue().queued(static_cast<std::uint64_t>(i), 100).dropped(7));
    window.push(sample, keep);
    if (i == 2) {
      EXPECT_TRUE(window.last_words().empty()) << "it still speaks";
    }
    if (i == 5) {
      ASSERT_EQ(window.last_words().size(), 1u);
      EXPECT_EQ(window.last_words()[0].queued, 2u);
      EXPECT_EQ(window.last_words()[0].comm, "beam.smp");
    }
  }
  EXPECT_TRUE(window.last_words().empty()) << "forgotten with the ticks in which it spoke";
}

}  // namespace
}  // namespace tcpadvisor::thinning_test
