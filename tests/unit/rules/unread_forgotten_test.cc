// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::unread_forgotten_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "unread-forgotten";

struct Left {
  std::uint32_t count = 5;
  std::uint64_t recv_q = 60, more_per_look = 0, received = 100;
  std::uint32_t came_ms_ago = 70'000;
  std::optional<std::uint64_t> read_ms_ago = 70'000;
  std::optional<std::uint32_t> rcvlowat = 1;
  std::uint64_t send_q = 0;
  bool calls = true, reads_others = true, listens = true, answers_wait = false;
  bool answers_others = false;
  std::uint64_t rcvbuf = 131'072, rmem = 2'000;
  ProcessState state = ProcessState::running;
};

Window leaving(const Left& left) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    if (left.listens) sample.add(a_socket().cookie(1).listen(8443, 0, 128).pid(6, "loop"));
    OwnerTotals owner = a_process(6, "loop").sockets(TcpState::established, left.count + 1);
    owner.process_state = left.state;
    sample.add(owner);
    SocketRow row = a_socket().established().pid(6, "loop").recv_q(left.recv_q + left.more_per_look * i);
    row.rcvbuf = left.rcvbuf;
    row.rmem_alloc = left.rmem;
    row.send_q = left.send_q;
    row.bytes_received = left.received;
    row.last_data_recv_ms = left.came_ms_ago;
    row.rcvlowat = left.rcvlowat;
    if (left.calls) sample.cover("calls", "hook");
    if (left.calls) row.calls.emplace().recv.last_ms_ago = left.read_ms_ago;
    sample.add(left.count, row);
    SocketRow other = a_socket().established().cookie(7).pid(6, "loop").remote(Endpoint::v4(10, 0, 0, 9, 5'000));
    other.bytes_received = 1'000 + (left.reads_others ? 100 * i : 0);
    other.bytes_acked = left.answers_others ? 100 * i : 0;
    sample.add(other);
    if (!left.answers_wait) return;
    SocketRow stuck = a_socket().established().cookie(8).pid(6, "loop").send_q(9'000);
    stuck.remote = Endpoint::v4(10, 0, 0, 9, 5'001);
    stuck.snd_wnd = 0;
    stuck.timer = Timer::persist;
    sample.add(stuck);
  });
}

TEST(UnreadForgotten, names_who_reads_others_and_leaves_some_for_a_minute) {
  auto finding = only_finding(judged(kId, leaving({}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_EQ(finding->scope.pid, 6u);
  EXPECT_EQ(finding->scope.count, 5u);
  EXPECT_THAT(finding->title, HasSubstr("loop[6] has left 300 B unread on 5 connections for 1m 10s or longer"));
  EXPECT_THAT(finding->meaning, HasSubstr("EPOLLET"));
  EXPECT_EQ(value_of(*finding, "read_meanwhile"), 1);
}

TEST(UnreadForgotten, what_was_never_read_has_another_meaning) {
  auto finding = only_finding(judged(kId, leaving({.received = 60}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("no worker of it has time"));
}

TEST(UnreadForgotten, few_are_told_without_alarm) {
  EXPECT_EQ(only_finding(judged(kId, leaving({.count = 2}), Policy{}))->severity, Severity::info);
  EXPECT_EQ(only_finding(judged(kId, leaving({.count = 3}), Policy{}))->severity, Severity::warning);
}

TEST(UnreadForgotten, what_came_lately_or_comes_still_is_not_forgotten) {
  expect_fine(judged(kId, leaving({.came_ms_ago = 59'000}), Policy{}));
  expect_fine(judged(kId, leaving({.more_per_look = 10}), Policy{}));
  EXPECT_TRUE(only_finding(judged(kId, leaving({.came_ms_ago = 6'000, .read_ms_ago = std::nullopt}), lab())));
}

TEST(UnreadForgotten, what_was_read_or_looked_at_since_is_known_to_the_program) {
  expect_fine(judged(kId, leaving({.read_ms_ago = 500}), Policy{}));
}

TEST(UnreadForgotten, below_its_low_water_mark_nobody_is_told) {
  expect_fine(judged(kId, leaving({.rcvlowat = 61}), Policy{}));
}

TEST(UnreadForgotten, where_nothing_is_read_the_whole_program_stands) {
  auto finding = only_finding(judged(kId, leaving({.count = 12, .reads_others = false}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "hangs");
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("loop[6] reads none of its connections: 720 B wait unread on 12 connections"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("see what its threads do"));
  expect_fine(judged(kId, leaving({.count = 9, .reads_others = false}), Policy{}));
  expect_fine(judged(kId, leaving({.count = 12, .reads_others = false, .answers_wait = true}), Policy{}));
  expect_fine(judged(kId, leaving({.count = 12, .reads_others = false, .answers_others = true}), Policy{}));
  expect_fine(judged(kId, leaving({.state = ProcessState::stopped}), Policy{}));
}

/// As where nothing is read, and the process has more connections than there are rows. `idle` of those that were looked
/// at: nothing was if it is empty.
Window with_unlisted(std::optional<std::array<std::uint32_t, 6>> idle) {
  Window seen = leaving({.count = 12, .reads_others = false});
  Sample more = seen.latest();
  for (OwnerTotals& owner : more.owners) owner.sockets[index_of(TcpState::established)] = 400;
  if (idle) {
    NetworkTotals network;
    network.pid = 6;
    network.idle = *idle;
    more.networks = {network};
  }
  more.mono_ms += 1'000;
  seen.push(std::make_shared<const Sample>(std::move(more)));
  return seen;
}

TEST(UnreadForgotten, what_has_no_row_may_be_read_all_the_time) {
  expect_fine(judged(kId, with_unlisted(std::nullopt), Policy{}));
  expect_fine(judged(kId, with_unlisted({{1, 0, 0, 30, 0, 0}}), Policy{}));
  EXPECT_TRUE(only_finding(judged(kId, with_unlisted({{0, 0, 0, 30, 9, 0}}), Policy{})));
}

TEST(UnreadForgotten, a_full_buffer_is_a_slow_readers_and_a_clients_leftovers_are_nobodys) {
  expect_fine(judged(kId, leaving({.rmem = 100'000}), Policy{}));
  expect_fine(judged(kId, leaving({.listens = false}), Policy{}));
}

TEST(UnreadForgotten, who_owes_answers_may_hold_back) {
  expect_fine(judged(kId, leaving({.send_q = 5}), Policy{}));
  auto finding = only_finding(judged(kId, leaving({.answers_wait = true}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
}

TEST(UnreadForgotten, without_the_hooks_confidence_is_low) {
  auto finding = only_finding(judged(kId, leaving({.calls = false}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_THAT(finding->confidence_why, HasSubstr("whether it tried to read was not seen"));
}

TEST(UnreadForgotten, is_not_assessed_where_unread_data_has_no_row) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, 10'000);
    sample.set([](Sample& s) { s.netns.front().states[index_of(TcpState::established)].recv_q = 9'000; });
  });
  expect_unknown(judged(kId, window, lab()), "8.8 KiB wait unread on connections without a row");
}

}  // namespace
}  // namespace tcpadvisor::unread_forgotten_test
