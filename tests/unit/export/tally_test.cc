// SPDX-License-Identifier: Apache-2.0
// Counters never go back, whatever comes and goes below them.
#include "agent/export/tally.h"

#include <gmock/gmock.h>

#include "agent/export/metric_labels.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::exported::tally_test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

Counts::Kinds just(std::uint64_t first) {
  return {first};
}

TEST(Counts, go_on_where_a_source_begins_again_or_goes) {
  Counts counts{4, First::counts};
  for (std::uint64_t value : {5, 7, 3, 3}) {
    counts.begin(1'000);
    counts.see(1, {"a"}, 0, value);
    counts.end();
  }
  EXPECT_THAT(counts.totals(), ElementsAre(Pair(Labels{"a"}, just(10))));  // 5 + 2, then 3 of another run
  counts.begin(2'000);
  counts.end();
  EXPECT_THAT(counts.totals(), ElementsAre(Pair(Labels{"a"}, just(10))));
  counts.begin(3'000);
  counts.see(1, {"a"}, 0, 3);
  counts.end();
  EXPECT_THAT(counts.totals(), ElementsAre(Pair(Labels{"a"}, just(13))));  // it was gone: all of it is new
}

TEST(Counts, of_what_was_there_before_only_what_is_added) {
  Counts counts{4, First::is_ahead};
  for (std::uint64_t value : {1'000, 1'004}) {
    counts.begin(1'000);
    counts.see(1, {"a"}, 0, value);
    counts.end();
  }
  EXPECT_THAT(counts.totals(), ElementsAre(Pair(Labels{"a"}, just(4))));
}

TEST(Counts, names_beyond_the_limit_are_other_and_nothing_is_lost) {
  Counts counts{2, First::counts};
  auto tick = [&](std::uint64_t ms, const std::vector<std::pair<std::string, std::uint64_t>>& values) {
    counts.begin(ms);
    for (const auto& [name, value] : values) counts.see(std::hash<std::string>()(name), {name}, 0, value);
    counts.end();
  };
  tick(0, {{"a", 1}, {"b", 2}, {"c", 4}});
  EXPECT_THAT(counts.totals(), UnorderedElementsAre(Pair(Labels{"a"}, just(1)), Pair(Labels{"b"}, just(2)),
                                                    Pair(Labels{"other"}, just(4))));
  tick(300'000, {{"a", 2}, {"b", 2}});
  tick(700'000, {{"d", 8}});  // b rests for the longest time, and makes room
  EXPECT_THAT(counts.totals(), UnorderedElementsAre(Pair(Labels{"a"}, just(2)), Pair(Labels{"d"}, just(8)),
                                                    Pair(Labels{"other"}, just(6))));
}

observe::Observation tick_with(const std::function<void(Sample&)>& change) {
  observe::Observation seen;
  seen.window = build::a_window(1, [&](build::SampleBuilder& sample, std::size_t) { sample.set(change); });
  return seen;
}

TEST(Tally, adds_up_retransmits_by_network_and_kind) {
  Tally tally;
  auto with = [&](std::uint64_t fast, std::uint64_t timeout) {
    return tick_with([&](Sample& s) {
      s.retransmits = {{.netns = build::kHostNetns,
                        .destination = Endpoint::v4(10, 0, 0, 9, 0),
                        .segments = {.fast = fast, .timeout = timeout},
                        .last_ms_ago = 1},
                       {.netns = build::kHostNetns,
                        .destination = Endpoint::v4(10, 0, 0, 7, 0),
                        .segments = {.fast = 1},
                        .last_ms_ago = 1}};
    });
  };
  tally.see(with(3, 1));
  tally.see(with(5, 1));
  const auto totals = tally.retransmits.totals();
  ASSERT_EQ(totals.size(), 1U);
  EXPECT_EQ(totals.begin()->first, (Labels{"host", "10.0.0.0/24"}));
  EXPECT_EQ(totals.begin()->second[0], 6U);
  EXPECT_EQ(totals.begin()->second[2], 1U);
}

TEST(Tally, observes_round_trips_of_rows_at_each_tick) {
  Tally tally;
  auto seen = tick_with([](Sample& s) {
    SocketRow row = build::a_socket().remote(Endpoint::v4(192, 168, 3, 4, 80));
    row.srtt_us = 1'000;  // exactly an edge: `le` includes it
    row.min_rtt_us = 90;
    s.sockets.push_back(row);
    row.srtt_us = 5'000'000;
    s.sockets.push_back(row);
  });
  tally.see(seen);
  const Labels name{"host", "192.168.3.0/24"};
  ASSERT_TRUE(tally.srtt.contains(name));
  EXPECT_EQ(tally.srtt[name].counts[3], 1U);
  EXPECT_EQ(tally.srtt[name].counts.back(), 1U);
  EXPECT_NEAR(tally.srtt[name].sum, 5.001, 1e-9);
  EXPECT_EQ(tally.min_rtt[name].counts[0], 2U);
}

TEST(Names, of_labels_hold_no_pid_and_no_port_that_changes) {
  observe::Observation seen = tick_with([](Sample& s) {
    s.netns.front().sysctls["net.ipv4.ip_local_port_range"] = {.values = {32'768, 60'999}, .text = {}};
    s.netns.push_back({.id = 77, .name = "pid:4242"});
    s.netns.push_back({.id = 78, .name = "blue"});
  });
  EXPECT_EQ(netns_label(seen.now(), 77), "unnamed");
  EXPECT_EQ(netns_label(seen.now(), 78), "blue");
  EXPECT_EQ(netns_label(seen.now(), build::kHostNetns), "host");
  EXPECT_EQ(port_label(seen.now(), build::kHostNetns, 443), "443");
  EXPECT_EQ(port_label(seen.now(), build::kHostNetns, 40'000), "ephemeral");
  EXPECT_EQ(network_label(Endpoint::v4(127, 3, 0, 1, 80)), "loopback");
}

TEST(Largest, keeps_those_that_were_there) {
  EXPECT_THAT(largest({{{"a"}, 5}, {{"b"}, 7}, {{"c"}, 6}}, 2), ElementsAre(Labels{"b"}, Labels{"c"}));
  EXPECT_THAT(largest({{{"a"}, 5}, {{"b"}, 7}, {{"c"}, 6}}, 2, {{"a"}}), ElementsAre(Labels{"a"}, Labels{"b"}));
  EXPECT_THAT(largest({{{"a"}, 2}, {{"b"}, 7}, {{"c"}, 6}}, 2, {{"a"}}), ElementsAre(Labels{"b"}, Labels{"c"}));
}

}  // namespace
}  // namespace tcpadvisor::exported::tally_test
