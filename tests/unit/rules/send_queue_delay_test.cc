// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::send_queue_delay_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr std::string_view kId = "send-queue-bufferbloat";
using Change = std::function<void(SocketRow&, std::size_t)>;

/// 2.5 MB/s of messages of 8 KiB with answers, behind 400,000 bytes that were never sent.
SocketRow sender(std::size_t i) {
  return a_socket().pid(4, "source").send_q(500'000).set([=](SocketRow& row) {
    row.not_sent = 400'000;
    row.busy_us = 1'000'000 * i;
    row.rwnd_limited_us = row.sndbuf_limited_us = 0;
    row.bytes_acked = 2'500'000 * i;
    row.bytes_received = 16 * i;
    row.srtt_us = 45'000;
    row.min_rtt_us = 20'000;
    row.calls = SocketCalls{};
    row.calls->send.slots[3 + 13] = 1'000;
  });
}

Outcome with(const Change& change, std::int64_t lowat = 4'294'967'295) {
  return judged(kId,
                a_window(8,
                         [=](SampleBuilder& s, std::size_t i) {
                           SocketRow row = sender(i);
                           change(row, i);
                           s.sysctl("net.ipv4.tcp_notsent_lowat", {lowat}).add(row);
                         }),
                lab());
}
void as_it_is(SocketRow&, std::size_t) {}

TEST(SendQueueDelay, messages_that_wait_behind_what_was_written_before) {
  auto finding = only_finding(with(as_it_is));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->scope.pid, 4u);
  EXPECT_EQ(value_of(*finding, "wait_before_sending"), 160);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{131'072});
  EXPECT_NEAR(finding->recommendation.expected_effect->to, 52, 1);
  EXPECT_THAT(finding->recommendation.steps.back(), HasSubstr("25 ms more wait in the queue of the path"));
}

TEST(SendQueueDelay, without_an_answer_nobody_is_known_to_wait) {
  auto finding = only_finding(with([](SocketRow& row, std::size_t) { row.bytes_received = 0; }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
}

TEST(SendQueueDelay, bulk_data_a_short_wait_or_another_limit_is_fine) {
  expect_fine(with([](SocketRow& row, std::size_t) {
    row.calls = SocketCalls{};
    row.calls->send.slots[3 + 16] = 1'000;
  }));
  expect_fine(with([](SocketRow& row, std::size_t) { row.calls->send.slots[3 + 14] = 200; }));  // one in six is large
  expect_fine(with([](SocketRow& row, std::size_t i) { row.bytes_acked = 10'000'000 * i; }));   // 40 ms
  expect_fine(with([](SocketRow& row, std::size_t) { row.not_sent = 131'000; }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.rwnd_limited_us = 200'000 * i; }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.sndbuf_limited_us = 200'000 * i; }));
  expect_fine(with([](SocketRow& row, std::size_t) { row.bytes_acked = 0; }));  // stands still: others tell why
  expect_fine(with(as_it_is, 131'072));
}

TEST(SendQueueDelay, is_not_assessed_where_writes_are_not_visible) {
  expect_unknown(with([](SocketRow& row, std::size_t) { row.calls.reset(); }), "messages or bulk data");
}

}  // namespace
}  // namespace tcpadvisor::send_queue_delay_test
