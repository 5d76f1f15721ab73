// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/window.h"

#include <gtest/gtest.h>

#include "tests/unit/builders.h"

namespace tcpadvisor::window_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_sample;
using build::a_socket;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;

TEST(Window, an_empty_one_answers_without_data) {
  Window window;
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.span_s(), 0);
  EXPECT_EQ(window.interval_s(), 0);
  EXPECT_FALSE(window.increase("TcpExt.ListenDrops"));
  EXPECT_FALSE(window.per_s("TcpExt.ListenDrops"));
  EXPECT_TRUE(window.split(2, 1s).empty());
  EXPECT_FALSE(window.covers(1, 1s));
  EXPECT_TRUE(window.history(a_socket()).empty());
}

TEST(Window, counters_give_increases_and_rates) {
  Window window =
      a_window(5, [](SampleBuilder& sample, std::size_t i) { sample.counter("TcpExt.ListenDrops", 100 + 10 * i); });
  EXPECT_EQ(window.span_s(), 4);
  EXPECT_EQ(window.interval_s(), 1);
  EXPECT_EQ(window.increase(kHostNetns, "TcpExt.ListenDrops"), 40);
  EXPECT_EQ(window.per_s("TcpExt.ListenDrops"), 10);
  EXPECT_FALSE(window.increase(kHostNetns, "TcpExt.NoSuchCounter"));
  EXPECT_FALSE(window.increase(NetnsId{1}, "TcpExt.ListenDrops"));
}

TEST(Window, a_counter_that_restarts_counts_what_came_after) {
  static constexpr std::uint64_t kValues[] = {1000, 1010, 3, 5};
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t i) { sample.counter("Tcp.OutSegs", kValues[i]); });
  EXPECT_EQ(window.increase("Tcp.OutSegs"), 10 + 3 + 2);
}

TEST(Window, a_sample_without_the_counter_is_skipped) {
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("Tcp.OutSegs", 10 * i);
    if (i == 1) sample.host_ns().counters.clear();
  });
  EXPECT_EQ(window.increase("Tcp.OutSegs"), 30);
}

TEST(Window, adds_up_over_namespaces_that_come_and_go) {
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t i) {
    sample.counter("Tcp.OutSegs", 10 * i);
    if (i == 3) return;
    sample.set([&](Sample& s) {
      NetnsSample other;
      other.id = 7;
      other.counters["Tcp.OutSegs"] = 100 * i;
      s.netns.push_back(other);
    });
  });
  EXPECT_EQ(window.increase("Tcp.OutSegs"), 30 + 200);
}

TEST(Window, follows_a_socket_by_cookie_and_one_without_by_addresses) {
  SocketRow mini = a_socket().cookie(0).local(Endpoint::v4(127, 0, 0, 1, 5));
  Window window = a_window(3, [&](SampleBuilder& sample, std::size_t i) {
    if (i != 1) sample.add(a_socket().cookie(9).recv_q(i + 1));
    sample.add(mini);
  });
  auto rows = window.history(a_socket().cookie(9));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]->recv_q, 1u);
  EXPECT_EQ(rows[1], nullptr);
  EXPECT_EQ(rows[2]->recv_q, 3u);
  Series seen = window.socket_series(mini, [](const PastRow& row) { return std::optional<double>(row.recv_q); });
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Window, age_is_what_is_reported_or_what_was_seen) {
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().cookie(1).close_wait());  // seen in this state all the time
    sample.add(a_socket().cookie(2).state(i < 3 ? TcpState::established : TcpState::close_wait));
    sample.add(a_socket().cookie(3).close_wait().age(70s));       // exact
    sample.add(a_socket().cookie(4).close_wait().age(2s, true));  // reported less than seen
    if (i == 5) sample.add(a_socket().cookie(5).close_wait());
  });
  auto age = [&](std::size_t row) { return window.age(window.latest().sockets[row]); };
  EXPECT_EQ(age(0).value, 5s);
  EXPECT_TRUE(age(0).lower_bound);
  EXPECT_EQ(age(1).value, 2s);
  EXPECT_EQ(age(2).value, 70s);
  EXPECT_FALSE(age(2).lower_bound);
  EXPECT_EQ(age(3).value, 5s);
  EXPECT_EQ(age(4).value, 0s);
}

TEST(Window, forgets_the_oldest_samples) {
  Window window;
  Keep two_seconds{.recent = 2s};
  for (int i = 0; i < 10; ++i) window.push(a_sample().at(1s * i).add(a_socket().cookie(1).close_wait()), two_seconds);
  EXPECT_EQ(window.samples(), 4u);
  EXPECT_EQ(window.span_s(), 3);
  EXPECT_EQ(window.age(window.latest().sockets[0]).value, 9s) << "how long we saw the socket outlives its samples";
}

TEST(Window, splits_into_the_last_windows) {
  auto nothing = [](SampleBuilder&, std::size_t) {};
  Window window = a_window(10, nothing, 990ms);
  ASSERT_TRUE(window.covers(2, 1s));
  auto parts = window.split(2, 1s);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].samples(), 2u);
  EXPECT_EQ(parts[0].last().mono_ms, parts[1].first().mono_ms);
  EXPECT_EQ(parts[1].last().mono_ms, window.latest().mono_ms);

  Window brief = a_window(7, nothing);
  EXPECT_FALSE(brief.covers(3, 10s));
  auto thirds = brief.split(3, 10s);
  ASSERT_EQ(thirds.size(), 3u);
  EXPECT_EQ(thirds[0].span_s(), 2);
  EXPECT_TRUE(a_window(3, nothing).split(3, 10s).empty());
}

TEST(Window, follows_a_process_by_pid_and_name) {
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(5, i == 0 ? "old" : "new").close_wait(static_cast<std::uint32_t>(10 * i), 0));
  });
  Series count = window.owner_series(window.latest().owners[0], [](const PastOwner& owner) {
    return std::optional<double>(owner.sockets[index_of(TcpState::close_wait)]);
  });
  EXPECT_EQ(count.size(), 3u);
  EXPECT_EQ(count.first(), 10);
  EXPECT_DOUBLE_EQ(count.per_minute(), 600);
}

TEST(Series, percentiles_steps_and_slope) {
  Series series;
  for (int i = 1; i <= 100; ++i) series.add(i, i);
  EXPECT_EQ(series.percentile(50), 50);
  EXPECT_EQ(series.percentile(99), 99);
  EXPECT_EQ(series.percentile(0), 1);
  EXPECT_EQ(series.percentile(100), 100);
  EXPECT_NEAR(series.per_minute(), 60, 1e-9);
  EXPECT_EQ(series.falls(), 0u);
  EXPECT_EQ(series.rises(), 99u);
  EXPECT_EQ(series.tail(3).first(), 98);
  EXPECT_EQ(series.tail(1000).size(), 100u);
  EXPECT_DOUBLE_EQ(series.share([](double value) { return value > 75; }), 0.25);
  EXPECT_EQ(series.worst_step(1), 1);
  EXPECT_EQ(Series().percentile(50), 0);
  EXPECT_EQ(Series().per_minute(), 0);
}

// 4,096 rows in each of 60 samples: what watch does each second. Searching without an index would take until the
// time-out.
TEST(Window, indexes_many_rows) {
  std::vector<SamplePtr> samples;
  for (int i = 0; i < 60; ++i) samples.push_back(a_sample().at(1s * i).add(4096, a_socket().close_wait()));
  Window window(samples);
  std::uint64_t sum_ms = 0;
  for (const SocketRow& row : window.latest().sockets)
    sum_ms += static_cast<std::uint64_t>(window.age(row).value.count());
  for (std::size_t i = 0; i < 200; ++i) sum_ms += window.history(window.latest().sockets[i]).size();
  EXPECT_EQ(sum_ms, 4096ull * 59'000 + 200 * 60);
}

}  // namespace
}  // namespace tcpadvisor::window_test
