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

}  // namespace
}  // namespace tcpadvisor::connection_memory_test
