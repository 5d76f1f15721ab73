// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/unanswered.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::dead_peers_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kId = "send-queue-dead-peers";

struct Sender {
  std::uint8_t backoff = 6;
  std::uint32_t rto_ms = 12'800, heard_ms_ago = 20'000;
  std::uint64_t send_q = 5'000, acked_per_look = 0;
  Timer timer = Timer::retransmit;
  std::uint8_t probes = 0;
  std::uint32_t peer_window = 65'535;
  TcpState state = TcpState::established;
  std::uint32_t user_timeout_ms = 0;
  bool closed = false;
};

SocketRow row_of(const Sender& sender, std::size_t i) {
  SocketRow row = a_socket().state(sender.state).send_q(sender.send_q).pid(5, "gateway");
  row.remote = Endpoint::v4(192, 0, 2, 7, 443);
  row.bytes_acked = 70'000 + sender.acked_per_look * i;
  row.snd_wnd = sender.peer_window;
  row.timer = sender.timer;
  row.backoff = sender.backoff;
  row.probes_out = sender.probes;
  row.rto_us = sender.rto_ms * 1000;
  row.last_ack_recv_ms = sender.heard_ms_ago;
  row.user_timeout_ms = sender.user_timeout_ms;
  if (sender.closed) {
    row.holder = Holder::orphan;
    row.owner.reset();
    row.inode = 0;
  }
  return row;
}

/// `count` of the gateway's 40 connections.
Window sending(std::uint32_t count, const Sender& sender, std::uint32_t others = 0) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.ipv4.tcp_retries2", {15}).sysctl("net.ipv4.tcp_orphan_retries", {0});
    sample.sysctl("net.ipv4.tcp_max_orphans", {65'536});
    sample.add(a_process(5, "gateway").sockets(TcpState::established, count + others)).add(count, row_of(sender, i));
  });
}

TEST(SendQueueDeadPeers, fires_and_says_who_towards_whom_and_until_when) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.ipv4.tcp_retries2", {15});
    sample.add(a_process(5, "gateway").sockets(TcpState::established, 30)).add(30, row_of({}, i));
  });
  auto finding = only_finding(judged(kId, window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->finding_class, FindingClass::peer);
  EXPECT_EQ(finding->scope.pid, 5u);
  EXPECT_EQ(finding->scope.count, 30u);
  EXPECT_THAT(finding->title, HasSubstr("gateway[5] sends on 30 connections to 192.0.2.7: 146 KiB wait"));
  EXPECT_EQ(value_of(*finding, "timeouts_in_a_row"), 6);
  EXPECT_EQ(value_of(*finding, "not_heard_for"), 20);
  // Time-outs of 0.2 s, doubled six times: 12.6 s of 924.6 s.
  EXPECT_NEAR(*value_of(*finding, "sent_again_for"), 12.6, 0.1);
  EXPECT_NEAR(*value_of(*finding, "kernel_gives_up_in"), 912, 0.1);
  EXPECT_THAT(finding->meaning, HasSubstr("The kernel gives up in about 15m 12s"));
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(testing::PrintToString(finding->recommendation.steps), HasSubstr("TCP_USER_TIMEOUT"));
}

TEST(SendQueueDeadPeers, patience_is_what_the_kernel_documents) {
  EXPECT_NEAR(patience_s(15), 924.6, 0.01);
  EXPECT_NEAR(patience_s(8), 102.2, 0.01);
  EXPECT_NEAR(patience_s(0), 0.2, 0.001);
  EXPECT_LT(patience_s(UINT64_MAX), 256 * 120.0);
}

TEST(SendQueueDeadPeers, a_short_burst_of_losses_is_none) {
  expect_fine(judged(kId, sending(30, {.backoff = 2, .rto_ms = 800, .heard_ms_ago = 900}), lab()));
  expect_fine(judged(kId, sending(30, {.backoff = 3}), lab()));
}

TEST(SendQueueDeadPeers, whoever_is_heard_of_lives) {
  expect_fine(judged(kId, sending(30, {.heard_ms_ago = 1'500}), lab()));
}

TEST(SendQueueDeadPeers, nothing_is_waited_for_without_data_or_before_the_connection_stands) {
  expect_fine(judged(kId, sending(30, {.send_q = 0}), lab()));
  expect_fine(judged(kId, sending(30, {.state = TcpState::syn_sent}), lab()));
}

TEST(SendQueueDeadPeers, without_the_time_of_the_last_ack_the_window_tells) {
  auto silent = [](std::uint64_t acked_per_look) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
      SocketRow row = row_of({.acked_per_look = acked_per_look}, i);
      row.last_ack_recv_ms.reset();
      sample.add(row);
    });
  };
  EXPECT_TRUE(only_finding(judged(kId, silent(0), lab())));
  expect_fine(judged(kId, silent(100), lab()));
}

TEST(SendQueueDeadPeers, is_not_assessed_where_tries_are_not_shown) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    SocketRow row = row_of({}, i);
    row.backoff.reset();
    row.last_ack_recv_ms.reset();
    sample.add(row);
  });
  expect_unknown(judged(kId, window, lab()), "does not show how often");
}

TEST(SendQueueDeadPeers, one_is_told_without_alarm_and_so_are_few_of_many) {
  auto severity = [](std::uint32_t count, std::uint32_t others, const Sender& sender = {}) {
    auto finding = only_finding(judged(kId, sending(count, sender, others), Policy{}));
    return finding ? finding->severity : Severity::critical;
  };
  EXPECT_EQ(severity(1, 0), Severity::info);
  EXPECT_EQ(severity(4, 0), Severity::warning);  // all that it has
  EXPECT_EQ(severity(4, 20), Severity::info);
  EXPECT_EQ(severity(16, 20), Severity::warning);
  EXPECT_EQ(severity(16, 10'000), Severity::info);  // some of ten thousand are always gone
  EXPECT_EQ(severity(1, 0, {.send_q = 200ull << 20}), Severity::warning);
  EXPECT_EQ(severity(30, 0, {.user_timeout_ms = 30'000}), Severity::info);
}

TEST(SendQueueDeadPeers, the_time_out_that_the_program_has_set_counts) {
  auto finding = only_finding(judged(kId, sending(1, {.user_timeout_ms = 30'000}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_NEAR(*value_of(*finding, "kernel_gives_up_in"), 17.4, 0.1);
}

TEST(SendQueueDeadPeers, a_closed_window_is_another_matter_unless_the_probes_get_no_answer) {
  Sender stuck{.backoff = 9, .heard_ms_ago = 15'000, .timer = Timer::persist, .probes = 1, .peer_window = 0};
  expect_fine(judged(kId, sending(4, stuck), lab()));
  EXPECT_TRUE(only_finding(judged("peer-not-reading", sending(4, stuck), lab())));
  stuck.probes = 5;
  EXPECT_TRUE(only_finding(judged(kId, sending(4, stuck), lab())));
  expect_fine(judged("peer-not-reading", sending(4, stuck), lab()));
}

TEST(SendQueueDeadPeers, what_the_program_has_closed_is_told_apart) {
  Sender closed{.state = TcpState::fin_wait_1, .closed = true};
  auto finding = only_finding(judged(kId, sending(30, closed), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->topic, "closed");
  EXPECT_NEAR(*value_of(*finding, "kernel_gives_up_in"), 89.6, 0.1);  // 8 retries: 102.2 s
  Window many = a_window(8, [&](SampleBuilder& sample, std::size_t i) {
    sample.sysctl("net.ipv4.tcp_max_orphans", {100}).add(30, row_of(closed, i));
  });
  EXPECT_EQ(only_finding(judged(kId, many, lab()))->severity, Severity::warning);
}

TEST(SendQueueDeadPeers, says_that_the_same_address_answers_others) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    SocketRow lives = row_of({.backoff = 0, .heard_ms_ago = 300, .send_q = 0, .timer = Timer::none}, i);
    lives.cookie = 7;
    sample.add(20, row_of({}, i)).add(lives);
  });
  auto finding = only_finding(judged(kId, window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "answer_at_same_address"), 1);
  EXPECT_EQ(finding->finding_class, FindingClass::network_path);
  EXPECT_THAT(finding->meaning, HasSubstr("1 other connection to the same address is answered"));
}

TEST(SendQueueDeadPeers, says_that_the_other_end_is_on_this_host) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    SocketRow row = row_of({}, i);
    SocketRow far = a_socket().cookie(9).pid(12, "store").local(row.remote).remote(row.local);
    sample.add(row).add(far);
  });
  auto finding = only_finding(judged(kId, window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("the other end is on this host"));
}

TEST(SendQueueDeadPeers, clears_when_an_answer_comes) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    Sender sender;
    if (i == 7) sender = {.backoff = 0, .heard_ms_ago = 10, .send_q = 1'000};
    sample.add(30, row_of(sender, i));
  });
  expect_fine(judged(kId, window, lab()));
}

}  // namespace
}  // namespace tcpadvisor::dead_peers_test
