// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::connection_memory_test {
namespace {

using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "high-connection-memory-budget";

Window holding(std::uint64_t established, std::uint64_t time_wait = 0, std::uint64_t ram = 24ull << 30) {
  return a_window(3, [=](SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, established).count(TcpState::time_wait, time_wait);
    sample.set([&](Sample& s) { s.host.mem_bytes = ram; });
  });
}

TEST(ConnectionMemory, a_million_is_told_with_its_arithmetic) {
  auto finding = only_finding(judged(kId, holding(1'000'000), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->scope.kind, ScopeKind::host);
  EXPECT_THAT(finding->title, HasSubstr("1,000,000 sockets take about 4.2 GiB of memory, and 3.8 GiB more"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("tcp_mem[1] is 1.4 GiB"));
}

TEST(ConnectionMemory, a_hundred_thousand_on_such_a_host_are_no_topic) {
  expect_fine(judged(kId, holding(100'000), Policy{}));
  expect_fine(judged(kId, holding(379'999), Policy{}));
  EXPECT_TRUE(only_finding(judged(kId, holding(380'000), Policy{})));  // a page each is tcp_mem[1]
}

TEST(ConnectionMemory, on_a_small_host_fewer_are) {
  EXPECT_TRUE(only_finding(judged(kId, holding(100'000, 0, 1ull << 30), Policy{})));
  expect_fine(judged(kId, holding(49'999, 0, 512ull << 20), Policy{}));
}

TEST(ConnectionMemory, entries_in_time_wait_are_small) {
  expect_fine(judged(kId, holding(60'000, 250'000, 4ull << 30), Policy{}));
}

/// 100,000 connections of which 3,200 were looked at, and no row: 3,000 of those rest and keep 32 KiB each.
NetworkTotals resting() {
  NetworkTotals out;
  out.netns = build::kHostNetns;
  out.pid = 12;
  out.comm = "api";
  out.accepted = true;
  out.port = 443;
  out.network = Endpoint::v4(10, 0, 5, 0, 0);
  out.sockets[index_of(TcpState::established)] = 100'000;
  out.looked = 3'200;
  out.one_in = 32;
  out.idle = {200, 0, 0, 1'000, 1'000, 1'000};
  out.resting_bytes = 3'000 * 32'768;
  out.resting_rcvbuf = 3'000ull << 20;
  return out;
}

Window without_rows(const std::function<void(std::vector<NetworkTotals>&)>& change = {},
                    std::uint64_t count = 100'000) {
  return a_window(3, [=](SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, count);
    sample.add(build::a_process(12, "api").sockets(TcpState::established, 100'000));
    sample.set([&](Sample& s) {
      s.host.mem_bytes = 24ull << 30;
      s.networks = {resting()};
      if (change) change(s.networks);
    });
  });
}

TEST(ConnectionMemory, connections_at_rest_without_a_row_are_known_by_the_totals_of_their_process) {
  auto finding = only_finding(judged(kId, without_rows(), Policy{}));
  ASSERT_TRUE(finding);
  expect_complete(*finding);
  EXPECT_EQ(finding->topic, "idle-buffers");
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_EQ(finding->scope.pid, 12u);
  EXPECT_EQ(finding->scope.count, 96'000u);
  EXPECT_EQ(finding->scope.remote, "10.0.5.0/24");
  EXPECT_EQ(value_of(*finding, "kept_by_idle_connections"), 96'000.0 * 32'768);
  EXPECT_THAT(finding->title,
              HasSubstr("About 96,000 idle connections of api[12] keep 2.9 GiB of buffers, 32 KiB each"));
  EXPECT_THAT(finding->confidence_why, HasSubstr("3,200 connections that were looked at, about one in 32"));
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("most of it: 2.9 GiB on port 443 from 10.0.5.0/24"));
}

TEST(ConnectionMemory, totals_speak_only_where_rows_are_missing_and_enough_was_looked_at) {
  auto few = [](std::vector<NetworkTotals>& all) { all.front().looked = 15; };
  expect_fine(judged(kId, without_rows(few), Policy{}));
  auto little = [](std::vector<NetworkTotals>& all) { all.front().resting_bytes = (64 << 20) / 32 - 1; };
  expect_fine(judged(kId, without_rows(little), Policy{}));
  auto just_enough = [](std::vector<NetworkTotals>& all) { all.front().resting_bytes = (64 << 20) / 32; };
  EXPECT_TRUE(only_finding(judged(kId, without_rows(just_enough), Policy{})));
  auto of_many = [](std::vector<NetworkTotals>& all) { all.front().pid = 0; };
  expect_fine(judged(kId, without_rows(of_many), Policy{}));
  expect_fine(judged(kId, without_rows({}, 0), Policy{}));  // each has a row
  Policy longer;
  longer.rules[kId] = {{"idle_for", 120}};
  expect_fine(judged(kId, without_rows(), longer.of(kId)));  // those that rest for longer are not told apart
}

}  // namespace
}  // namespace tcpadvisor::connection_memory_test
