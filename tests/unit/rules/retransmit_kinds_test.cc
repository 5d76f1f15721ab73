// SPDX-License-Identifier: Apache-2.0
// What the kinds of retransmissions tell beyond their number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/builders.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::retransmit_kinds_test {
namespace {

using namespace build;
using testing::HasSubstr;
using testing::Not;

/// Short answers to one client: 100 a second, and of them so many lost.
struct Answers {
  std::uint32_t sent = 100, again = 3, duplicates = 0;  ///< a second
  RetransmitCounts kinds{.fast = 0, .tail_probe = 2, .timeout = 1};
  std::uint32_t srtt_us = 41'000, min_rtt_us = 40'000;
  std::uint64_t acked = 40'000;
  bool row = true, hook = true;
  std::optional<std::uint64_t> dropped_here = std::nullopt;
};

void times(RetransmitCounts& counts, std::uint64_t n) {
  for (auto kind : kRetransmitKinds) counts.*kind *= n;
}

Endpoint peer() {
  return Endpoint::v4(10, 0, 9, 2, 0);
}

void tick(SampleBuilder& s, const Answers& answers, std::size_t i) {
  auto n = static_cast<std::uint32_t>(i);
  if (answers.row) {
    Endpoint to = peer();
    to.port = 51'000;
    SocketRow row = a_socket().pid(7, "api").remote(to);
    row.mss = 1'448;
    row.congestion_control = "cubic";
    row.data_segs_out = answers.sent * n;
    row.total_retrans = answers.again * n;
    row.dsack_dups = answers.duplicates * n;
    row.bytes_acked = answers.acked * i;
    row.busy_us = 100'000 * i;
    row.rwnd_limited_us = 0;
    row.srtt_us = answers.srtt_us;
    row.min_rtt_us = answers.min_rtt_us;
    s.add(row);
  }
  RetransmitCounts counts = answers.kinds;
  times(counts, i);
  if (answers.hook) {
    s.cover("retransmits", "hook");
    s.add(Retransmits{.netns = 0, .destination = peer(), .segments = counts, .last_ms_ago = 10});
  } else {
    s.cover("retransmits", "/proc/net/netstat");
    s.counter("TcpExt.TCPFastRetrans", counts.fast);
    s.counter("TcpExt.TCPLossProbes", counts.tail_probe);
    s.counter("TcpExt.TCPTimeouts", counts.timeout);
    s.counter("TcpExt.TCPSlowStartRetrans", counts.after_timeout);
  }
  if (answers.dropped_here) {
    s.host_ns().devices.emplace_back().name = "eth0";
    s.counter("Device.eth0.dropped", *answers.dropped_here * i);
  }
}

using More = std::function<void(SampleBuilder&, std::size_t)>;
Outcome judged_of(const Answers& answers, const More& more = nullptr) {
  return judged("retrans-cc-qdisc",
                a_window(11,
                         [=](SampleBuilder& s, std::size_t i) {
                           tick(s, answers, i);
                           if (more) more(s, i);
                         }),
                lab());
}

TEST(RetransmitKinds, losses_at_the_end_of_answers_are_told_from_those_that_set_a_rate) {
  auto tail = only_finding(judged_of({}));
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->topic, "tail");
  EXPECT_EQ(tail->severity, Severity::warning) << "3 % are lost";
  EXPECT_EQ(tail->scope.pid, 7u);
  EXPECT_EQ(value_of(*tail, "tail_loss_probes"), 20);
  EXPECT_EQ(value_of(*tail, "timeouts"), 10);
  EXPECT_EQ(value_of(*tail, "repaired_by_probe_or_timer"), 1);
  EXPECT_THAT(tail->meaning, HasSubstr("nor what this host's own devices drop"));
  EXPECT_THAT(tail->recommendation.text, Not(HasSubstr("bbr")));

  auto some = only_finding(judged_of({.sent = 1'000}));
  ASSERT_TRUE(some);
  EXPECT_EQ(some->topic, "tail");
  EXPECT_EQ(some->severity, Severity::info);
}

TEST(RetransmitKinds, what_acknowledgements_told_of_is_no_tail) {
  auto lossy = only_finding(judged_of({.kinds = {.fast = 2, .tail_probe = 1}}));
  ASSERT_TRUE(lossy);
  EXPECT_EQ(lossy->topic, "lossy-path");
  EXPECT_EQ(value_of(*lossy, "fast_retransmits"), 20);
}

TEST(RetransmitKinds, the_cause_comes_before_the_kind) {
  auto spurious = only_finding(judged_of({.duplicates = 2}));
  ASSERT_TRUE(spurious);
  EXPECT_EQ(spurious->topic, "spurious") << "a probe that was not needed is what the peer reports as a duplicate";
  auto here = only_finding(judged_of({.dropped_here = 3}));
  ASSERT_TRUE(here);
  EXPECT_EQ(here->topic, "local-drop");
  auto full = only_finding(judged_of({.srtt_us = 90'000}));
  ASSERT_TRUE(full);
  EXPECT_EQ(full->topic, "congestion");
}

TEST(RetransmitKinds, what_others_sent_to_the_address_says_nothing_about_these) {
  auto lossy = only_finding(judged_of({.kinds = {.fast = 0, .tail_probe = 20}}));
  ASSERT_TRUE(lossy);
  EXPECT_EQ(lossy->topic, "lossy-path");
}

TEST(RetransmitKinds, counters_of_the_namespace_stand_in_where_no_hook_counts) {
  auto tail = only_finding(judged_of({.hook = false}));
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->topic, "tail");
  EXPECT_THAT(tail->confidence_why, HasSubstr("whole namespace"));
}

TEST(RetransmitKinds, a_peer_that_is_forgotten_and_comes_again_begins_at_zero) {
  auto tail = only_finding(judged("retrans-cc-qdisc",
                                  a_window(11,
                                           [](SampleBuilder& s, std::size_t i) {
                                             Answers answers;
                                             answers.hook = false;
                                             tick(s, answers, i);
                                             s.cover("retransmits", "hook");
                                             if (i < 3 || i == 5) return;
                                             s.add(Retransmits{.destination = peer(), .segments = {.tail_probe = i}});
                                           }),
                                  lab()));
  ASSERT_TRUE(tail);
  EXPECT_EQ(value_of(*tail, "tail_loss_probes"), 14) << "4 before, 10 after";
}

constexpr Answers kVanish{.kinds = {.tail_probe = 1, .timeout = 3}, .row = false};

TEST(RetransmitKinds, where_only_the_timer_sends_again_and_in_vain_nothing_arrives) {
  auto hole = only_finding(judged_of(kVanish));
  ASSERT_TRUE(hole);
  EXPECT_EQ(hole->topic, "black-hole");
  EXPECT_EQ(hole->severity, Severity::warning);
  EXPECT_EQ(hole->scope.remote, "10.0.9.2");
  EXPECT_FALSE(hole->scope.pid);
  EXPECT_EQ(value_of(*hole, "timeouts"), 30);
  EXPECT_THAT(hole->meaning, HasSubstr("mtu-blackhole"));
}

TEST(RetransmitKinds, one_acknowledgement_is_enough_against_a_black_hole) {
  for (RetransmitCounts kinds :
       {RetransmitCounts{.timeout = 3, .after_timeout = 1}, RetransmitCounts{.tail_probe = 3, .timeout = 3}}) {
    Answers answers = kVanish;
    answers.kinds = kinds;
    EXPECT_TRUE(judged_of(answers).findings.empty());
  }
  // Another connection to the same address gets on.
  EXPECT_TRUE(judged_of(kVanish, [](SampleBuilder& s, std::size_t i) {
                SocketRow row = a_socket().remote(Endpoint::v4(10, 0, 9, 2, 443));
                row.bytes_acked = 1'000 * i;
                s.add(row);
              }).findings.empty());
}

TEST(RetransmitKinds, small_segments_may_pass_a_hole_and_tell_of_the_loss_of_large_ones) {
  Answers answers = kVanish;
  answers.kinds = {.fast = 6, .timeout = 3};
  auto hole = only_finding(judged_of(answers));
  ASSERT_TRUE(hole);
  EXPECT_EQ(hole->topic, "black-hole");
}

TEST(RetransmitKinds, of_a_namespace_that_cannot_be_read_nothing_is_said) {
  EXPECT_TRUE(judged("retrans-cc-qdisc",
                     a_window(11,
                              [](SampleBuilder& s, std::size_t i) {
                                s.add(
                                    Retransmits{.netns = 4'711, .destination = peer(), .segments = {.timeout = 5 * i}});
                              }),
                     lab())
                  .findings.empty());
}

TEST(RetransmitKinds, one_client_that_vanishes_is_no_alarm_and_time_outs_that_have_just_begun_are_no_hole) {
  Answers few = kVanish;
  few.kinds = {.timeout = 2};
  auto hole = only_finding(judged_of(few));
  ASSERT_TRUE(hole);
  EXPECT_EQ(hole->severity, Severity::info);
  EXPECT_TRUE(judged("retrans-cc-qdisc",
                     a_window(11,
                              [](SampleBuilder& s, std::size_t i) {
                                std::uint64_t late = i < 8 ? 0 : 20 * (i - 7);
                                s.add(Retransmits{.destination = peer(), .segments = {.timeout = late}});
                              }),
                     lab())
                  .findings.empty());
}

TEST(RetransmitKinds, a_connection_that_times_out_again_and_again_is_told_of_by_other_rules) {
  EXPECT_TRUE(judged_of(kVanish, [](SampleBuilder& s, std::size_t) {
                SocketRow row = a_socket().remote(Endpoint::v4(10, 0, 9, 2, 443)).send_q(10'000);
                row.bytes_acked = 1;
                row.backoff = 4;
                s.add(row);
              }).findings.empty());
}

More attempts(std::uint64_t a_second) {
  return [=](SampleBuilder& s, std::size_t i) { s.counter("Tcp.ActiveOpens", a_second * i); };
}

TEST(RetransmitKinds, syns_that_are_sent_again_make_connecting_slow) {
  auto slow = only_finding(judged_of({.kinds = {.syn = 2}, .row = false}, attempts(10)));
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->topic, "syn-not-answered");
  EXPECT_EQ(slow->severity, Severity::warning);
  EXPECT_THAT(slow->title, HasSubstr("20 SYNs to 10.0.9.2"));
  auto some = only_finding(judged_of({.kinds = {.syn = 2}, .row = false}, attempts(100)));
  ASSERT_TRUE(some);
  EXPECT_EQ(some->severity, Severity::info);
  EXPECT_TRUE(judged_of({.kinds = {.syn = 2}, .row = false}, attempts(500)).findings.empty()) << "4 in a thousand";
}

// kubernetes/kubernetes#90854: the first SYN of each connection is sent with a wrong checksum, the second is right.
TEST(RetransmitKinds, a_second_for_each_connection_is_seen_although_none_fails) {
  auto slow = only_finding(judged_of({.kinds = {.syn = 5}, .row = false}, attempts(5)));
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->severity, Severity::warning);
  EXPECT_EQ(value_of(*slow, "share_of_attempts"), 1);
}

// frstrtr/c2pool#963: packets above 1,480 bytes vanish; greetings pass, and the program drops each peer that is silent.
TEST(RetransmitKinds, peers_that_a_program_gives_up_one_after_the_other_are_one_hole_in_the_path) {
  auto hole = only_finding(judged("retrans-cc-qdisc",
                                  a_window(11,
                                           [](SampleBuilder& s, std::size_t i) {
                                             for (std::uint8_t last : {4, 5, 6}) {
                                               s.add(Retransmits{.destination = Endpoint::v4(192, 0, 2, last, 0),
                                                                 .segments = {.tail_probe = i / 3, .timeout = 2 * i}});
                                             }
                                           }),
                                  lab()));
  ASSERT_TRUE(hole);
  EXPECT_EQ(hole->topic, "black-hole");
  EXPECT_EQ(value_of(*hole, "timeouts"), 60);
  EXPECT_THAT(hole->title, HasSubstr("192.0.2.4"));
}

TEST(RetransmitKinds, attempts_that_fail_are_not_told_of_twice) {
  auto failing = [](SampleBuilder& s, std::size_t i) {
    s.counter("Tcp.ActiveOpens", 10 * i);
    s.add(FailedConnects{.pid = 5,
                         .comm = "curl",
                         .destination = Endpoint::v4(10, 0, 9, 2, 443),
                         .end = ConnectEnd::timed_out,
                         .count = 10,
                         .waited_ms = 3'000});
  };
  EXPECT_TRUE(judged_of({.kinds = {.syn = 2}, .row = false}, failing).findings.empty());
  auto tracked = [](SampleBuilder& s, std::size_t i) {
    s.counter("Tcp.ActiveOpens", 10 * i);
    s.counter("Conntrack.drop", i);
  };
  EXPECT_TRUE(judged_of({.kinds = {.syn = 2}, .row = false}, tracked).findings.empty());
}

TEST(RetransmitKinds, handshakes_that_do_not_end_are_no_fault_of_a_queue_that_is_full) {
  auto lost = only_finding(judged_of({.kinds = {.syn_ack = 2}, .row = false}));
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->topic, "syn-ack-not-answered");
  EXPECT_EQ(lost->severity, Severity::info);
  auto busy = [](SampleBuilder& s, std::size_t i) { s.counter("Tcp.PassiveOpens", 1'000 * i); };
  EXPECT_TRUE(judged_of({.kinds = {.syn_ack = 2}, .row = false}, busy).findings.empty());
  for (const char* full : {"TcpExt.ListenOverflows", "TcpExt.SyncookiesSent", "TcpExt.TCPDeferAcceptDrop"}) {
    EXPECT_TRUE(
        judged_of({.kinds = {.syn_ack = 2}, .row = false}, [=](SampleBuilder& s, std::size_t i) { s.counter(full, i); })
            .findings.empty())
        << full;
  }
}

TEST(RetransmitKinds, few_and_those_inside_a_namespace_are_no_topic) {
  Answers few = kVanish;
  few.kinds = {};
  EXPECT_TRUE(judged_of(few).findings.empty());
  EXPECT_TRUE(judged("retrans-cc-qdisc",
                     a_window(11,
                              [](SampleBuilder& s, std::size_t i) {
                                s.add(Retransmits{.destination = Endpoint::v4(127, 0, 0, 1, 0),
                                                  .segments = {.timeout = 5 * i}});
                              }),
                     lab())
                  .findings.empty());
}

}  // namespace
}  // namespace tcpadvisor::retransmit_kinds_test
