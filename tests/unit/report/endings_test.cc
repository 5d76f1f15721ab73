// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/endings.h"

#include <gmock/gmock.h>

#include <string>

#include "tests/unit/builders.h"

namespace tcpadvisor::endings_test {
namespace {

using build::a_sample;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string line(const Endings& endings, const std::string& what) {
  for (const auto& [name, text] : ending_lines(endings)) {
    if (name == what) return text;
  }
  return "no such line";
}

Sample with_totals() {
  Sample sample = *SamplePtr(a_sample());
  LifecycleTotals totals;
  totals.opened = 1200;
  totals.closed = 1000;
  totals.closed_by_us = 700;
  totals.closed_by_peer = 280;
  totals.reset = 20;
  totals.unread_at_close = 20;
  totals.unread_bytes_at_close = 8192;
  totals.unsent_at_close = 3;
  totals.unsent_bytes_at_close = 1 << 20;
  totals.resets_sent["TCP_ABORT_ON_CLOSE"] = 20;
  totals.dwell_log2_ms[index_of(TcpState::close_wait)][2] = 98;  // 4 to 8 ms
  totals.dwell_log2_ms[index_of(TcpState::close_wait)][16] = 2;  // 65 to 131 s
  sample.lifecycle = totals;
  for (std::uint64_t i = 0; i < 12; ++i)
    sample.closes.push_back({.pid = static_cast<Pid>(i), .comm = "web", .count = i, .resets = i < 2 ? 0 : 12 - i});
  return sample;
}

TEST(Endings, are_told_by_kind_reason_process_and_state) {
  const Endings endings = endings_of(with_totals());
  EXPECT_EQ(line(endings, "ended"), "1,000 of 1,200 that began: 700 by us first, 280 by the peer, 20 by a reset");
  EXPECT_THAT(line(endings, "closed with unread data"), HasSubstr("20: 8 KiB thrown away"));
  EXPECT_THAT(line(endings, "closed with unsent data"), HasSubstr("3: 1 MiB"));
  EXPECT_EQ(line(endings, "resets sent, by reason"), "20 TCP_ABORT_ON_CLOSE");
  EXPECT_THAT(line(endings, "closes of late, by process"), HasSubstr("web[11] 11, web[10] 10, "));
  EXPECT_THAT(endings.closers, SizeIs(kMostClosers));
  EXPECT_THAT(line(endings, "of them by a reset"), HasSubstr("web[2] 10, web[3] 9, "));
  Sample older = with_totals();
  older.closes.back().resets.reset();
  EXPECT_EQ(line(endings_of(older), "of them by a reset"), "not seen") << "a recording from before they were counted";
  for (Closes& closes : older.closes) closes.resets = 0;
  EXPECT_EQ(line(endings_of(older), "of them by a reset"), "none");
  ASSERT_THAT(endings.dwells, SizeIs(1));
  EXPECT_EQ(endings.dwells[0].half_ms, 8u);
  EXPECT_EQ(endings.dwells[0].most_ms, 131'072u);
  EXPECT_THAT(line(endings, "time in states, half of them at most"),
              HasSubstr("CLOSE_WAIT 8 ms (99 %: 2m 11s, 100 times)"));
}

TEST(Endings, that_nobody_counts_are_not_seen_and_not_zero) {
  const Endings endings = endings_of(*SamplePtr(a_sample()));
  EXPECT_FALSE(endings.totals);
  const auto lines = ending_lines(endings);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0].second, HasSubstr("not seen"));
  EXPECT_THAT(endings.closers, IsEmpty());
}

TEST(Endings, numbers_at_the_end_of_their_range_do_no_harm) {
  Sample sample = with_totals();
  for (auto& state : sample.lifecycle->dwell_log2_ms) state.fill(UINT64_MAX);
  sample.lifecycle->unread_bytes_at_close = UINT64_MAX;
  for (const auto& [name, text] : ending_lines(endings_of(sample))) EXPECT_FALSE(text.empty()) << name;
}

}  // namespace
}  // namespace tcpadvisor::endings_test
