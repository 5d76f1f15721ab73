// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::senders_test {
namespace {

using namespace std::chrono_literals;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

/// 64 bytes and then 1,000 for each request, 23 times a second: the rest waits 40 ms for an acknowledgement.
struct Talk {
  std::optional<bool> nodelay = false;
  std::uint32_t not_sent = 1'000, segs_out = 46, segs_in = 23, retrans = 0;
  std::uint32_t srtt_us = 19'900, min_rtt_us = 30, snd_wnd = 65'536;
  std::optional<std::uint32_t> runs = 23;
  std::size_t held_in = 1;  ///< every so many looks find the rest waiting
};

SocketRow row_of(const Talk& talk, std::size_t i) {
  auto n = static_cast<std::uint32_t>(i);
  SocketRow row = a_socket().pid(5, "rpc");
  row.nodelay = talk.nodelay;
  row.cork = false;
  row.mss = 1'448;
  row.not_sent = i % talk.held_in == 0 ? talk.not_sent : 0;
  row.send_q = *row.not_sent + 64;
  row.data_segs_out = talk.segs_out * n;
  row.data_segs_in = talk.segs_in * n;
  row.total_retrans = talk.retrans * n;
  row.bytes_acked = 1'064u * 23 * i;
  row.bytes_received = 32u * 23 * i;
  row.srtt_us = talk.srtt_us;
  row.min_rtt_us = talk.min_rtt_us;
  row.snd_wnd = talk.snd_wnd;
  if (talk.runs) {
    row.calls = SocketCalls{};
    row.calls->small_write_runs = *talk.runs * n;
  }
  return row;
}

Outcome talking(const Talk& talk, const Policy& policy = lab(), std::size_t samples = 8) {
  return judged("nagle-delack-stall",
                a_window(samples, [=](SampleBuilder& s, std::size_t i) { s.add(row_of(talk, i)); }), policy);
}

TEST(NagleDelackStall, fires_for_writes_in_pieces_and_says_what_each_answer_costs) {
  for (const Policy& policy : {lab(), Policy{}}) {
    auto finding = only_finding(talking({}, policy, 31));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::warning);
    EXPECT_EQ(finding->confidence, Confidence::high);
    EXPECT_EQ(finding->finding_class, FindingClass::application);
    EXPECT_EQ(finding->scope.pid, 5u);
    EXPECT_EQ(finding->scope.remote, "10.0.0.2:40000");
    EXPECT_THAT(finding->title, HasSubstr("rpc[5] waits 43 ms for each answer"));
    EXPECT_NEAR(*value_of(*finding, "answers"), 23, 1);
    EXPECT_THAT(finding->recommendation.text, HasSubstr("writev"));
    EXPECT_THAT(finding->recommendation.text, HasSubstr("TCP_NODELAY"));
  }
}

TEST(NagleDelackStall, a_process_is_named_once_for_all_its_connections) {
  auto finding = only_finding(judged(
      "nagle-delack-stall", a_window(8, [](SampleBuilder& s, std::size_t i) { s.add(4, row_of({}, i)); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 4u);
}

TEST(NagleDelackStall, is_less_sure_without_the_sizes_of_writes) {
  auto finding = only_finding(talking({.runs = {}}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(NagleDelackStall, one_look_in_five_is_enough_and_one_in_eight_is_not) {
  EXPECT_TRUE(only_finding(talking({.held_in = 5}, lab(), 11)));
  expect_fine(talking({.held_in = 8}, lab(), 11));
}

TEST(NagleDelackStall, one_write_for_each_request_waits_for_nothing) {
  expect_fine(talking({.not_sent = 0, .segs_out = 23, .srtt_us = 40'000, .runs = 0}));
}

TEST(NagleDelackStall, answers_whose_acknowledgements_wait_in_a_long_queue_are_no_stall) {
  expect_fine(talking({.srtt_us = 100'000, .min_rtt_us = 30'000, .runs = 0}));
  expect_fine(talking({.segs_in = 300, .srtt_us = 100'000, .min_rtt_us = 30'000}));
}

TEST(NagleDelackStall, with_nodelay_a_full_window_or_a_bulk_sender_it_is_something_else) {
  expect_fine(talking({.nodelay = true}));
  expect_fine(talking({.snd_wnd = 500}));
  expect_fine(talking({.not_sent = 500'000, .segs_out = 9'000, .segs_in = 40}));
  expect_fine(talking({.segs_out = 300}));  // data goes one way, nobody waits for an answer
  expect_fine(talking({.segs_in = 0}));
  expect_fine(talking({.retrans = 2}));
}

TEST(NagleDelackStall, acknowledgements_in_time_are_no_stall) {
  expect_fine(talking({.srtt_us = 24'000, .min_rtt_us = 20'000}));
  EXPECT_TRUE(only_finding(talking({.srtt_us = 45'000, .min_rtt_us = 20'000})));
}

TEST(NagleDelackStall, is_not_assessed_where_the_option_cannot_be_seen) {
  expect_unknown(talking({.nodelay = {}}), "TCP_NODELAY");
  expect_fine(talking({.nodelay = {}, .not_sent = 0}));
  expect_unknown(talking({}, lab(), 2), "observe for longer");
}

/// A bulk sender of 2,000 segments a second.
struct Flow {
  std::uint32_t sent = 2'000, again = 10, duplicates = 0;  ///< a second
  std::uint32_t srtt_us = 41'000, min_rtt_us = 40'000;
  std::uint64_t acked = 700'000;  ///< a second
  std::uint64_t busy_us = 1'000'000, peer_limited_us = 0;
  const char* control = "cubic";
  std::size_t lossy_looks = 100;  ///< losses end after so many
  std::optional<std::uint64_t> dropped_here;
  std::uint8_t last_of_ip = 2;
};

SocketRow row_of(const Flow& flow, std::size_t i) {
  auto n = static_cast<std::uint32_t>(i);
  auto lossy = static_cast<std::uint32_t>(std::min(i, flow.lossy_looks));
  SocketRow row = a_socket().pid(7, "backup").remote(Endpoint::v4(10, 0, 9, flow.last_of_ip, 443));
  row.mss = 1'448;
  row.congestion_control = flow.control;
  row.data_segs_out = flow.sent * n;
  row.total_retrans = flow.again * lossy;
  row.dsack_dups = flow.duplicates * lossy;
  row.bytes_acked = flow.acked * i;
  row.busy_us = flow.busy_us * i;
  row.rwnd_limited_us = flow.peer_limited_us * i;
  row.srtt_us = flow.srtt_us;
  row.min_rtt_us = flow.min_rtt_us;
  return row;
}

Outcome sending(const Flow& flow, const Policy& policy = lab()) {
  return judged("retrans-cc-qdisc",
                a_window(11,
                         [=](SampleBuilder& s, std::size_t i) {
                           s.add(row_of(flow, i));
                           if (!flow.dropped_here) return;
                           s.host_ns().devices = {Device{.name = "eth0"}};
                           s.counter("Device.eth0.dropped", *flow.dropped_here * i);
                         }),
                policy);
}

TEST(RetransCcQdisc, losses_without_a_queue_hold_a_loss_based_sender_back) {
  auto finding = only_finding(sending({}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "lossy-path");
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_THAT(finding->title, HasSubstr("0.5 % of the segments from backup[7] to 10.0.9.2:443"));
  EXPECT_NEAR(*value_of(*finding, "rate_that_losses_allow"), 4.9, 0.3);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("try bbr"));
  EXPECT_THAT(finding->meaning, HasSubstr("not visible from here"));
}

TEST(RetransCcQdisc, losses_that_do_not_set_the_rate_are_told_without_bbr) {
  for (const Flow& flow : {Flow{.acked = 10'000'000, .control = "bbr"}, Flow{.acked = 20'000, .busy_us = 20'000},
                           Flow{.peer_limited_us = 900'000}, Flow{.sent = 20'000, .again = 100, .acked = 28'000'000}}) {
    auto finding = only_finding(sending(flow));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->topic, "lossy-path");
    EXPECT_EQ(finding->severity, Severity::info);
    EXPECT_THAT(finding->recommendation.text, Not(HasSubstr("bbr")));
  }
}

TEST(RetransCcQdisc, duplicates_are_no_losses) {
  auto finding = only_finding(sending({.duplicates = 9}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "spurious");
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Change nothing"));
}

TEST(RetransCcQdisc, a_full_path_is_an_alarm_only_where_much_is_lost) {
  auto some = only_finding(sending({.srtt_us = 90'000}));
  ASSERT_TRUE(some);
  EXPECT_EQ(some->topic, "congestion");
  EXPECT_EQ(some->severity, Severity::info);
  auto much = only_finding(sending({.again = 60, .srtt_us = 90'000}));
  ASSERT_TRUE(much);
  EXPECT_EQ(much->severity, Severity::warning);
  EXPECT_THAT(much->recommendation.text, Not(HasSubstr("bbr")));
  auto unclear = only_finding(sending({.srtt_us = 55'000}));
  ASSERT_TRUE(unclear);
  EXPECT_EQ(unclear->topic, "unclear");
  EXPECT_EQ(unclear->severity, Severity::info);
}

TEST(RetransCcQdisc, what_this_host_drops_is_not_blamed_on_the_path) {
  auto here = only_finding(sending({.again = 60, .srtt_us = 90'000, .dropped_here = 55}));
  ASSERT_TRUE(here);
  EXPECT_EQ(here->topic, "local-drop");
  EXPECT_EQ(here->severity, Severity::warning);
  auto elsewhere = only_finding(sending({.dropped_here = 0}));
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->topic, "lossy-path");
  EXPECT_THAT(elsewhere->meaning, HasSubstr("it is elsewhere"));
}

TEST(RetransCcQdisc, few_losses_one_burst_or_a_peer_that_is_gone_is_no_topic) {
  expect_fine(sending({.again = 1}));
  expect_fine(sending({.again = 500, .lossy_looks = 2}));
  expect_fine(sending({.sent = 1, .again = 1, .acked = 0}));
}

TEST(RetransCcQdisc, nothing_lies_between_two_ends_in_one_namespace) {
  auto inside = [](std::size_t i) {
    SocketRow row = row_of(Flow{}, i);
    row.remote = Endpoint::v4(127, 0, 0, 1, 443);
    return row;
  };
  expect_fine(
      judged("retrans-cc-qdisc", a_window(11, [=](SampleBuilder& s, std::size_t i) { s.add(inside(i)); }), lab()));
}

TEST(RetransCcQdisc, peers_that_fare_alike_are_one_finding_and_others_are_not) {
  Outcome outcome = judged("retrans-cc-qdisc",
                           a_window(11,
                                    [](SampleBuilder& s, std::size_t i) {
                                      for (std::uint8_t peer : {2, 3, 4, 5}) {
                                        Flow flow{.last_of_ip = peer};
                                        if (peer == 5) flow.duplicates = 10;
                                        SocketRow row = row_of(flow, i);
                                        row.cookie = peer;
                                        s.add(row);
                                      }
                                    }),
                           lab());
  ASSERT_EQ(outcome.findings.size(), 2u);
  EXPECT_EQ(outcome.findings[0].scope.count, 3u);
  EXPECT_EQ(outcome.findings[0].topic, "lossy-path");
  EXPECT_EQ(outcome.findings[1].topic, "spurious");
}

/// 1 MB in every other second over 60 ms, from a window of 700 segments.
struct Bursts {
  std::uint32_t cwnd = 700, min_rtt_us = 60'000, rto_us = 260'000, sent_ms_ago = 1'000, again = 0, snd_wnd = 4'000'000;
  std::uint64_t bytes = 1'000'000;
  std::uint64_t send_q = 0;  ///< in the pauses
  const char* control = "cubic";
  std::optional<std::int64_t> setting = 1;
};

SocketRow row_of(const Bursts& bursts, std::size_t i) {
  SocketRow row = a_socket().pid(9, "sync").send_q(bursts.send_q);
  row.mss = 1'448;
  row.congestion_control = bursts.control;
  row.min_rtt_us = row.srtt_us = bursts.min_rtt_us;
  row.rto_us = bursts.rto_us;
  row.snd_cwnd = bursts.cwnd;
  row.snd_wnd = bursts.snd_wnd;
  row.last_data_sent_ms = bursts.sent_ms_ago;
  row.bytes_acked = 1 + bursts.bytes * i;
  row.data_segs_out = static_cast<std::uint32_t>(bursts.bytes / 1'448 * i);
  row.total_retrans = bursts.again * static_cast<std::uint32_t>(i);
  return row;
}

Outcome bursting(const Bursts& bursts, std::size_t samples = 8, std::chrono::milliseconds apart = 1s) {
  return judged("slow-start-after-idle",
                a_window(
                    samples,
                    [=](SampleBuilder& s, std::size_t i) {
                      if (bursts.setting) s.sysctl("net.ipv4.tcp_slow_start_after_idle", {*bursts.setting});
                      s.add(row_of(bursts, i));
                    },
                    apart),
                lab());
}

TEST(SlowStartAfterIdle, fires_for_bursts_that_begin_small_after_each_pause) {
  auto finding = only_finding(bursting({}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->scope.pid, 9u);
  EXPECT_EQ(value_of(*finding, "bursts_after_a_pause"), 7);
  EXPECT_EQ(value_of(*finding, "cwnd_before_pause"), 700);
  EXPECT_EQ(value_of(*finding, "cwnd_after_pause"), 87) << "700 halved three times in 1 s of 260 ms each";
  EXPECT_EQ(value_of(*finding, "lost_time_per_burst"), 180) << "87 + 174 + 348 + 81 instead of 690 in one round trip";
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_slow_start_after_idle");
  EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{0});
  EXPECT_EQ(finding->recommendation.applicability, Applicability::needs_review);
}

TEST(SlowStartAfterIdle, bbr_a_setting_of_0_or_an_unknown_control_lose_nothing) {
  expect_fine(bursting({.control = "bbr"}));
  expect_fine(bursting({.setting = 0}));
  expect_fine(bursting({.control = ""}));
  expect_unknown(bursting({.setting = {}}), "tcp_slow_start_after_idle is not known");
}

TEST(SlowStartAfterIdle, short_paths_pauses_and_bursts_lose_nothing) {
  expect_fine(bursting({.min_rtt_us = 5'000}));
  expect_fine(bursting({.sent_ms_ago = 200}));
  expect_fine(bursting({.cwnd = 12}));
  expect_fine(bursting({.bytes = 9'000}));
  expect_fine(bursting({.snd_wnd = 64'000}));  // the peer's window carries no more than that anyway
  expect_fine(bursting({.send_q = 5'000}));    // it does not pause
}

TEST(SlowStartAfterIdle, losses_and_rare_bursts_are_no_reason_for_a_larger_start) {
  expect_fine(bursting({.again = 20}));
  expect_fine(bursting({}, 3 + 1, 9s));  // a look each 9 s may have missed what lay between
  expect_unknown(bursting({}, 3), "observe for longer");
}

/// An upload whose full segments vanish, and what else goes to the same address.
struct Hole {
  std::uint8_t backoff = 4;
  std::uint64_t acked = 1;
  std::uint32_t delivered = 0, unacked = 10;
  std::uint64_t on_its_way = 14'480;
  std::uint32_t last_ack_ms = 20'000;
  Timer timer = Timer::retransmit;
  std::optional<std::uint64_t> other_acked =
      64;  ///< of a connection beside it, for each segment; nothing: there is none
  std::int64_t probing = 0;
  std::uint8_t other_peer = 2;
};

Outcome uploading(const Hole& hole, bool moves = false) {
  return judged(
      "mtu-blackhole",
      a_window(8,
               [=](SampleBuilder& s, std::size_t i) {
                 s.sysctl("net.ipv4.tcp_mtu_probing", {hole.probing});
                 SocketRow row = a_socket().pid(4, "upload").remote(Endpoint::v4(10, 0, 0, 2, 443));
                 row.mss = 1'448;
                 row.pmtu = 1'500;
                 row.timer = hole.timer;
                 row.backoff = hole.backoff;
                 row.not_sent = 50'000;
                 row.send_q = 50'000 + hole.on_its_way;
                 row.unacked_segs = hole.unacked;
                 row.bytes_acked = hole.acked + (moves ? i : 0);
                 row.delivered_segs = hole.delivered;
                 row.last_ack_recv_ms = hole.last_ack_ms;
                 s.add(row);
                 if (!hole.other_acked) return;
                 SocketRow other =
                     a_socket().cookie(2).pid(3, "small").remote(Endpoint::v4(10, 0, 0, hole.other_peer, 443));
                 other.mss = 1'448;
                 other.bytes_acked = *hole.other_acked * i;
                 other.data_segs_out = static_cast<std::uint32_t>(i);
                 other.bytes_received = 0;
                 s.add(other);
               }),
      lab());
}

TEST(MtuBlackhole, fires_where_full_segments_vanish_and_small_ones_pass) {
  auto finding = only_finding(uploading({}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.pid, 4u);
  EXPECT_EQ(finding->scope.count, 1u);
  EXPECT_EQ(value_of(*finding, "segment_size"), 1'448);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target, std::vector<std::int64_t>{1}) << "never 2";
  EXPECT_THAT(finding->recommendation.steps[0], HasSubstr("ping -M do -s 1472 10.0.0.2"));
}

TEST(MtuBlackhole, answers_on_the_same_connection_are_proof_enough) {
  auto finding = only_finding(uploading({.acked = 640, .delivered = 10, .last_ack_ms = 900, .other_acked = {}}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(value_of(*finding, "acknowledged_per_segment"), 64);
}

TEST(MtuBlackhole, a_handshake_alone_proves_little_and_changes_no_setting) {
  for (const Hole& hole : {Hole{.other_acked = {}}, Hole{.other_peer = 3}, Hole{.other_acked = 0}}) {
    auto finding = only_finding(uploading(hole));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::info);
    EXPECT_EQ(finding->confidence, Confidence::low);
    EXPECT_FALSE(finding->recommendation.change);
  }
}

TEST(MtuBlackhole, with_probing_on_the_kernel_helps_itself) {
  auto finding = only_finding(uploading({.probing = 1}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
}

TEST(MtuBlackhole, a_peer_that_is_gone_is_none) {
  expect_fine(uploading({.acked = 1'448'000, .delivered = 1'000}));  // full segments passed once
  expect_fine(uploading({.acked = 640, .delivered = 10, .other_acked = {}}));
}

TEST(MtuBlackhole, few_timeouts_small_segments_a_closed_window_or_progress_are_none) {
  expect_fine(uploading({.backoff = 2}));
  expect_fine(uploading({.on_its_way = 640}));
  expect_fine(uploading({.unacked = 0}));
  expect_fine(uploading({.timer = Timer::persist}));
}

/// A receiver of 1,000 segments a second, and its sender, if that is on this host.
struct Stream {
  std::uint32_t out_of_order = 100;  ///< a second
  std::optional<std::uint32_t> sent_again;
  std::size_t looks = 100;  ///< it ends after so many
  std::uint64_t thrown_away = 0;
};

Outcome receiving(const Stream& stream) {
  return judged("ooo-queue-pressure",
                a_window(8,
                         [=](SampleBuilder& s, std::size_t i) {
                           auto n = static_cast<std::uint32_t>(i);
                           SocketRow row = a_socket().pid(6, "mirror");
                           row.bytes_received = 1'448'000 * i;
                           row.data_segs_in = 1'000 * n;
                           row.ooo_segs = stream.out_of_order * static_cast<std::uint32_t>(std::min(i, stream.looks));
                           s.counter("TcpExt.TCPOFODrop", stream.thrown_away * i);
                           s.add(row);
                           if (!stream.sent_again) return;
                           s.set([&](Sample& sample) {
                             sample.netns.push_back(sample.netns.front());
                             sample.netns.back().id = 77;
                             sample.netns.back().is_host = false;
                           });
                           SocketRow far = a_socket().cookie(2).netns(77).pid(8, "origin");
                           std::swap(far.local, far.remote);
                           far.data_segs_out = 1'000 * n;
                           far.total_retrans = *stream.sent_again * n;
                           far.dsack_dups = 0;
                           far.bytes_acked = 1'448'000 * i;
                           s.add(far);
                         }),
                lab());
}

TEST(OooQueuePressure, says_what_comes_out_of_order_and_that_nothing_has_to_change) {
  auto finding = only_finding(receiving({}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->scope.pid, 6u);
  EXPECT_THAT(finding->title, HasSubstr("10 % of what mirror[6] receives"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Change nothing"));
  EXPECT_THAT(finding->meaning, Not(HasSubstr("loses nothing")));
}

TEST(OooQueuePressure, a_sender_on_this_host_tells_reordering_from_loss) {
  auto reordered = only_finding(receiving({.sent_again = 0}));
  ASSERT_TRUE(reordered);
  EXPECT_THAT(reordered->meaning, HasSubstr("loses nothing"));
  auto lost = only_finding(receiving({.sent_again = 5}));
  ASSERT_TRUE(lost);
  EXPECT_THAT(lost->meaning, Not(HasSubstr("loses nothing")));
}

TEST(OooQueuePressure, what_was_thrown_away_points_to_memory) {
  auto finding = only_finding(receiving({.thrown_away = 3}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("thrown away"));
}

TEST(OooQueuePressure, a_few_or_one_burst_are_normal) {
  expect_fine(receiving({.out_of_order = 40}));
  expect_fine(receiving({.out_of_order = 500, .looks = 2}));
  expect_fine(receiving({.out_of_order = 0}));
}

TEST(SendersAndPaths, nothing_is_fine_where_the_source_does_not_show_how_connections_get_on) {
  Window blind = a_window(8, [](SampleBuilder& s, std::size_t) {
    s.add(a_socket()).set([](Sample& sample) {
      sample.coverage.push_back(FactCoverage{});
      sample.coverage.back().fact = FactId::tcp_info;
    });
  });
  for (const char* id :
       {"nagle-delack-stall", "retrans-cc-qdisc", "slow-start-after-idle", "mtu-blackhole", "ooo-queue-pressure"}) {
    expect_unknown(judged(id, blind, lab()), "does not show how connections get on");
  }
}

}  // namespace
}  // namespace tcpadvisor::senders_test
