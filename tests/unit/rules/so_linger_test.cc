// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::so_linger_test {
namespace {

using namespace std::chrono_literals;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr const char* kId = "so-linger-misuse";

struct Closing {
  TcpState state = TcpState::fin_wait_1;
  std::optional<std::uint32_t> linger_ms = 30'000;
  std::uint64_t send_q = 90'000;
  Holder holder = Holder::no_descriptor;
  std::chrono::milliseconds age = 4s;
};

Window closing(const Closing& one) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t) {
    sample.counter("TcpExt.TCPAbortOnData", 0);
    SocketRow row = a_socket().state(one.state).send_q(one.send_q).holder(one.holder).age(one.age);
    row.linger_ms = one.linger_ms;
    row.last_user = LastUser{.pid = 81, .comm = "proxy"};
    sample.add(row);
  });
}

struct Ends {
  std::uint64_t per_look = 20, lost = 0;
  std::uint32_t open = 3;
  std::uint64_t by_reason = 0;
};

Window ending(const Ends& ends) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPAbortOnData", ends.per_look * i);
    SocketRow row = a_socket().established().pid(7, "checker");
    row.linger_ms = 0;
    sample.add(ends.open, row);
    sample.set([&](Sample& s) {
      LifecycleTotals& life = s.lifecycle.emplace();
      life.unsent_at_close = ends.lost;
      life.unsent_bytes_at_close = ends.lost * 1'000;
      if (ends.by_reason > 0) life.resets_sent["TCP_STATE"] = ends.by_reason;
    });
  });
}

TEST(SoLinger, a_close_that_waits_is_named_with_who_called_it) {
  auto finding = only_finding(judged(kId, closing({}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->topic, "close-hangs");
  EXPECT_THAT(finding->title, HasSubstr("close() stands still in proxy[81]"));
  EXPECT_THAT(finding->title, HasSubstr("SO_LINGER 30 s and 87.9 KiB"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("In proxy[81]"));
  EXPECT_EQ(value_of(*finding, "linger"), 30);
  EXPECT_EQ(finding->scope.holder, Holder::unknown);  // not "on its way in a message"
}

TEST(SoLinger, a_close_that_is_quick_or_already_left_to_the_kernel_is_fine) {
  expect_fine(judged(kId, closing({.age = 500ms}), lab()));
  expect_fine(judged(kId, closing({.holder = Holder::orphan}), lab()));
  expect_fine(judged(kId, closing({.linger_ms = std::nullopt}), lab()));
  expect_fine(judged(kId, closing({.state = TcpState::established}), lab()));
  expect_fine(judged(kId, closing({.holder = Holder::process}), lab()));  // shut down, and not closed
  expect_fine(judged(kId, closing({.send_q = 0}), lab()));
}

TEST(SoLinger, aborts_are_told_as_information) {
  auto finding = only_finding(judged(kId, ending({}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_EQ(value_of(*finding, "ended_with_reset"), 100);
  EXPECT_THAT(finding->title, HasSubstr("100 connections ended with a reset by SO_LINGER 0, as checker[7] does"));
}

TEST(SoLinger, is_a_warning_where_data_was_lost) {
  EXPECT_EQ(only_finding(judged(kId, ending({.lost = 9}), lab()))->severity, Severity::info);
  auto finding = only_finding(judged(kId, ending({.lost = 60}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("60 of them lost 58.6 KiB"));
}

TEST(SoLinger, data_that_comes_after_close_counts_in_the_same_counter_and_is_another_matter) {
  expect_fine(judged(kId, ending({.open = 0}), lab()));
  auto finding = only_finding(judged(kId, ending({.open = 0, .by_reason = 100}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_FALSE(finding->scope.pid);
}

TEST(SoLinger, what_others_on_this_host_do_is_not_this_namespaces_doing) {
  expect_fine(judged(kId, ending({.lost = 60, .open = 0, .by_reason = 400}), lab()));
  auto finding = only_finding(judged(kId, ending({.lost = 60, .by_reason = 400}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info) << "whose data it was nobody knows";
  EXPECT_EQ(only_finding(judged(kId, ending({.lost = 60, .by_reason = 110}), lab()))->severity, Severity::warning);
}

/// As ending(), where what each process loses is counted.
Window losing(const Ends& ends, std::vector<Closes> closes) {
  return a_window(6, [=](SampleBuilder& sample, std::size_t i) {
    sample.counter("TcpExt.TCPAbortOnData", ends.per_look * i);
    sample.set([&](Sample& s) {
      LifecycleTotals& life = s.lifecycle.emplace();
      life.unsent_at_close = ends.lost;
      life.resets_sent["TCP_STATE"] = ends.by_reason;
      s.closes = closes;
    });
  });
}

Closes loser(Pid pid, std::uint64_t lost) {
  Closes out;
  out.netns = build::kHostNetns;
  out.pid = pid;
  out.comm = "worker-" + std::to_string(pid);
  out.count = lost + 5;
  out.resets = lost + 5;
  out.lost = lost;
  out.lost_bytes = lost * 2'000;
  return out;
}

TEST(SoLinger, a_process_that_loses_data_is_named_though_others_on_this_host_end_so_too) {
  auto finding = only_finding(judged(kId, losing({.lost = 900, .by_reason = 5'000}, {loser(21, 80)}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.pid, 21u);
  EXPECT_EQ(value_of(*finding, "ended_with_unsent_data"), 80);
  EXPECT_THAT(finding->title, HasSubstr("as worker-21[21] does; 80 of them lost 156 KiB"));
}

TEST(SoLinger, what_was_lost_before_this_window_is_less_certain) {
  Closes long_ago = loser(21, 80);
  long_ago.since_ms = 3'600'000;
  auto finding = only_finding(judged(kId, losing({.by_reason = 5'000}, {long_ago}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->confidence_why, HasSubstr("which was before this window"));
}

TEST(SoLinger, several_that_lose_data_are_told_and_none_is_blamed_alone) {
  auto finding = only_finding(judged(kId, losing({.by_reason = 5'000}, {loser(21, 30), loser(22, 40)}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(value_of(*finding, "ended_with_unsent_data"), 70);
  EXPECT_THAT(finding->confidence_why, HasSubstr("worker-22 was seen to end 40 connections"));
}

TEST(SoLinger, what_a_process_of_another_namespace_loses_is_not_this_ones) {
  Closes elsewhere = loser(21, 80);
  elsewhere.netns = build::kHostNetns + 1;
  expect_fine(judged(kId, losing({.lost = 80, .by_reason = 5'000}, {elsewhere}), lab()));
}

TEST(SoLinger, few_resets_are_none) {
  expect_fine(judged(kId, ending({.per_look = 1}), lab()));
  expect_fine(judged(kId, ending({.per_look = 0}), lab()));
}

TEST(SoLinger, is_not_assessed_without_the_counter) {
  Window window =
      a_window(6, [](SampleBuilder& sample, std::size_t) { sample.host_ns().counters.erase("TcpExt.TCPAbortOnData"); });
  expect_unknown(judged(kId, window, lab()), "TCPAbortOnData of namespace host was not read twice");
}

}  // namespace
}  // namespace tcpadvisor::so_linger_test
