// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::buffers_test {
namespace {

using namespace std::chrono_literals;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using build::SocketBuilder;
using testing::HasSubstr;

SocketBuilder stalled() {
  return a_socket().pid(12, "worker").recv_q(300'000).rcvbuf(400'000, 390'000);
}

TEST(ReaderTooSlow, fires_on_a_buffer_that_stays_full) {
  Window window = a_window(
      8, [](SampleBuilder& sample, std::size_t i) { sample.add(stalled()).counter("TcpExt.TCPToZeroWindowAdv", i); });
  auto finding = only_finding(judged("reader-too-slow", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 12u);
  EXPECT_EQ(value_of(*finding, "full_for"), 7);
  EXPECT_EQ(value_of(*finding, "unread_bytes"), 300'000);
  EXPECT_EQ(value_of(*finding, "zero_windows_announced"), 7);
}

TEST(ReaderTooSlow, five_seconds_are_enough_under_a_longer_policy) {
  auto with = [](std::size_t samples) {
    return a_window(samples, [](SampleBuilder& s, std::size_t) { s.add(stalled()); });
  };
  EXPECT_TRUE(only_finding(judged("reader-too-slow", with(6), Policy{})));
}

TEST(ReaderTooSlow, knows_a_closed_window_and_well_packed_data) {
  Window zero = a_window(8, [](SampleBuilder& s, std::size_t) {
    s.add(stalled().rcvbuf(400'000, 190'000).set([](SocketRow& row) { row.rcv_wnd = 0; }));
  });
  EXPECT_TRUE(only_finding(judged("reader-too-slow", zero, lab())));
  Window packed = a_window(8, [](SampleBuilder& s, std::size_t) {
    s.add(a_socket().pid(12, "worker").recv_q(180'000).rcvbuf(400'000, 190'000).set([](SocketRow& row) {
      row.scaling_ratio = 128;
    }));
  });
  EXPECT_TRUE(only_finding(judged("reader-too-slow", packed, lab())));
}

TEST(ReaderTooSlow, a_half_full_buffer_or_a_fast_reader_is_fine) {
  auto half_full = [](std::optional<std::uint32_t> window_bytes) {
    return a_window(8, [=](SampleBuilder& s, std::size_t) {
      s.add(stalled().rcvbuf(400'000, 290'000).set([=](SocketRow& row) { row.rcv_wnd = window_bytes; }));
    });
  };
  expect_fine(judged("reader-too-slow", half_full(100'000), lab()));
  EXPECT_TRUE(only_finding(judged("reader-too-slow", half_full(50), lab()))) << "a sliver of a window is a closed one";
  expect_unknown(judged("reader-too-slow", half_full(std::nullopt), lab()), "whether the window is closed");
  expect_fine(judged("reader-too-slow",
                     a_window(8, [](SampleBuilder& s,
                                    std::size_t i) { s.add(stalled().rcvbuf(400'000, i % 3 == 1 ? 390'000 : 9'000)); }),
                     lab()));
  expect_fine(
      judged("reader-too-slow", a_window(8, [](SampleBuilder& s, std::size_t) { s.add(stalled().recv_q(0)); }), lab()));
}

/// 3 MB/s through a window of 200,000 bytes over 30 ms: 110,000 stand unread, the rest is on its way.
SocketRow autotuned(std::size_t i, std::uint64_t unread, std::uint64_t bytes_per_s = 3'000'000) {
  return a_socket().pid(12, "worker").recv_q(unread).rcvbuf(330'000, unread * 3 / 2).set([=](SocketRow& row) {
    row.scaling_ratio = 155;
    row.rcv_wnd = 90'000;
    row.rcv_rtt_us = 30'000;
    row.bytes_received = 1'000'000 + bytes_per_s * i;
  });
}

TEST(ReaderTooSlow, a_buffer_that_the_kernel_sizes_by_the_reader_is_never_quite_full) {
  auto finding = only_finding(judged(
      "reader-too-slow", a_window(8, [](SampleBuilder& s, std::size_t i) { s.add(autotuned(i, 110'000)); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "read_rate"), 3'000'000);
  EXPECT_THAT(finding->title, HasSubstr("reads 2.9 MiB/s, too slowly for its sender"));
}

TEST(ReaderTooSlow, a_sender_that_pauses_for_a_moment_clears_nothing_and_a_reader_that_catches_up_does) {
  auto ends_with = [](std::uint64_t more) {
    return a_window(8, [=](SampleBuilder& s, std::size_t i) {
      SocketRow row = autotuned(i, i < 7 ? 110'000 : 20'000);
      if (i == 7) row.bytes_received = 1'000'000 + 3'000'000 * 6 + more;
      s.add(row);
    });
  };
  EXPECT_TRUE(only_finding(judged("reader-too-slow", ends_with(2'900'000), lab())));
  expect_fine(judged("reader-too-slow", ends_with(5'000'000), lab()));
}

TEST(ReaderTooSlow, less_unread_an_unused_window_or_a_gigabit_is_no_slow_reader) {
  auto with = [](std::uint64_t unread, std::uint64_t bytes_per_s) {
    return a_window(8, [=](SampleBuilder& s, std::size_t i) { s.add(autotuned(i, unread, bytes_per_s)); });
  };
  expect_fine(judged("reader-too-slow", with(60'000, 3'000'000), lab()));
  expect_fine(judged("reader-too-slow", with(110'000, 300'000), lab()));  // the window is open, nobody sends more
  expect_fine(judged("reader-too-slow", with(110'000, 300'000'000), lab()));
}

TEST(ReaderTooSlow, clears_and_ignores_closing_and_unaccepted_sockets) {
  expect_fine(
      judged("reader-too-slow",
             a_window(8, [](SampleBuilder& s,
                            std::size_t i) { s.add(i < 7 ? stalled() : stalled().recv_q(0).rcvbuf(400'000, 0)); }),
             lab()));
  expect_fine(judged("reader-too-slow",
                     a_window(8,
                              [](SampleBuilder& s, std::size_t) {
                                s.add(stalled().close_wait()).add(stalled().cookie(3).holder(Holder::unaccepted));
                              }),
                     lab()));
}

TEST(ReaderTooSlow, is_not_assessed_without_buffers_or_samples) {
  Window procfs = a_window(8, [](SampleBuilder& s, std::size_t) { s.add(a_socket().recv_q(300'000)); });
  expect_unknown(judged("reader-too-slow", procfs, lab()), "does not show receive buffers");
  Window brief = a_window(2, [](SampleBuilder& s, std::size_t) { s.add(stalled()); });
  expect_unknown(judged("reader-too-slow", brief, lab()), "not enough data");
}

/// 4 MB/s over 20 ms against an advertised window of 80,480 bytes: one window per round trip.
SocketBuilder locked_receiver(std::size_t i, std::uint64_t bytes_per_s = 4'000'000) {
  return a_socket().pid(3, "sink").locks(false, true).rcvbuf(131'072, 10'000).set([=](SocketRow& row) {
    row.bytes_received = bytes_per_s * i;
    row.rcv_rtt_us = 20'000;
    row.rcv_wnd = 80'480;
  });
}

void one_flow(SampleBuilder& sample, const SocketRow& row) {
  sample.count(TcpState::established, 1).add(row);
}

TEST(RcvbufLocked, fires_when_the_window_is_used_up) {
  auto finding = only_finding(
      judged("rcvbuf-locked-by-app",
             a_window(8, [](SampleBuilder& s, std::size_t i) { one_flow(s, locked_receiver(i)); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 3u);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_NEAR(*value_of(*finding, "window_used_per_rtt"), 0.994, 0.001);
  EXPECT_THAT(finding->title, HasSubstr("128 KiB with SO_RCVBUF"));
  EXPECT_EQ(finding->not_useful.front().knob, "net.ipv4.tcp_rmem");
}

TEST(RcvbufLocked, a_lock_that_does_not_bind_is_fine) {
  auto with = [](auto change) {
    return a_window(8, [=](SampleBuilder& s, std::size_t i) {
      SocketRow row = locked_receiver(i);
      change(row, i);
      one_flow(s, row);
    });
  };
  expect_fine(judged("rcvbuf-locked-by-app",
                     with([](SocketRow& row, std::size_t i) { row.bytes_received = 3'000'000 * i; }),
                     lab()));  // 75 %
  expect_fine(judged("rcvbuf-locked-by-app", with([](SocketRow& row, std::size_t) { row.rcv_rtt_us = 900; }), lab()));
  expect_fine(judged("rcvbuf-locked-by-app", with([](SocketRow& row, std::size_t) { row.rmem_alloc = 60'000; }),
                     lab()));  // a slow reader
  expect_fine(
      judged("rcvbuf-locked-by-app", with([](SocketRow& row, std::size_t) { row.locks->rcvbuf = false; }), lab()));
}

TEST(RcvbufLocked, clears_when_the_flow_stops_within_the_windows) {
  expect_fine(judged(
      "rcvbuf-locked-by-app",
      a_window(8, [](SampleBuilder& s, std::size_t i) { one_flow(s, locked_receiver(std::min<std::size_t>(i, 6))); }),
      lab()));
}

TEST(RcvbufLocked, one_dip_as_bbr_makes_clears_nothing) {
  // In the last of two windows the rate falls to three quarters of the limit.
  auto finding = only_finding(judged("rcvbuf-locked-by-app",
                                     a_window(8,
                                              [](SampleBuilder& s, std::size_t i) {
                                                SocketRow row = locked_receiver(i);
                                                if (i == 7) row.bytes_received = 4'000'000 * 6 + 2'600'000;
                                                one_flow(s, row);
                                              }),
                                     lab()));
  ASSERT_TRUE(finding);
  EXPECT_GT(*value_of(*finding, "window_used_per_rtt"), 0.9);
}

TEST(RcvbufLocked, a_short_look_is_less_sure_and_a_request_that_was_cut_is_named) {
  Window window = a_window(10, [](SampleBuilder& s, std::size_t i) {
    one_flow(s, locked_receiver(i));
    s.sysctl("net.core.rmem_max", {65'536});
  });
  auto finding = only_finding(judged("rcvbuf-locked-by-app", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->recommendation.steps.back(), HasSubstr("cut to net.core.rmem_max = 65,536"));
}

TEST(LockedBuffers, are_not_assessed_where_locks_are_not_visible) {
  Window diag = a_window(8, [](SampleBuilder& s, std::size_t i) {
    SocketRow row = locked_receiver(i);
    row.locks.reset();
    s.cover("snapshot", "sock_diag");
    one_flow(s, row);
  });
  expect_unknown(judged("rcvbuf-locked-by-app", diag, lab()),
                 "sock_diag does not show whether a socket has SO_RCVBUF set");
  expect_unknown(judged("sndbuf-locked-by-app", diag, lab()), "SO_SNDBUF");
  Window brief = a_window(2, [](SampleBuilder& s, std::size_t i) { one_flow(s, locked_receiver(i)); });
  expect_unknown(judged("rcvbuf-locked-by-app", brief, lab()), "not enough data");
  Window blind = a_window(8, [](SampleBuilder& s, std::size_t) { s.cover("buffer-locks", ""); });
  expect_unknown(judged("rcvbuf-locked-by-app", blind, lab()), "SO_RCVBUF set");
  // The kernel walk writes rows only for sockets that matter: none is an answer.
  expect_fine(judged("sndbuf-locked-by-app",
                     a_window(8, [](SampleBuilder& s, std::size_t) { s.count(TcpState::established, 5); }), lab()));
}

SocketBuilder locked_sender(std::size_t i, double limited_share) {
  return a_socket().pid(4, "source").locks(true, false).sndbuf(131'072, 130'000).set([=](SocketRow& row) {
    row.busy_us = 1'000'000 * i;
    row.sndbuf_limited_us = static_cast<std::uint64_t>(limited_share * 1e6 * static_cast<double>(i));
    row.bytes_acked = 5'000'000 * i;
    row.srtt_us = 20'500;
  });
}

TEST(SndbufLocked, fires_when_it_is_what_limits) {
  auto finding = only_finding(
      judged("sndbuf-locked-by-app",
             a_window(8, [](SampleBuilder& s, std::size_t i) { one_flow(s, locked_sender(i, 0.41)); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_NEAR(*value_of(*finding, "sndbuf_limited_of_busy_time"), 0.41, 0.01);
  EXPECT_EQ(value_of(*finding, "rate"), 40);
}

TEST(SndbufLocked, a_lock_that_hardly_ever_binds_is_fine) {
  expect_fine(judged("sndbuf-locked-by-app",
                     a_window(8, [](SampleBuilder& s, std::size_t i) { one_flow(s, locked_sender(i, 0.033)); }),
                     lab()));
}

TEST(SndbufLocked, where_the_queue_of_the_path_is_full_a_larger_buffer_only_lengthens_it) {
  auto with_min_rtt = [](std::uint32_t min_rtt_us) {
    return a_window(8, [=](SampleBuilder& s, std::size_t i) {
      SocketRow row = locked_sender(i, 0.41);
      row.min_rtt_us = min_rtt_us;
      one_flow(s, row);
    });
  };
  EXPECT_TRUE(only_finding(judged("sndbuf-locked-by-app", with_min_rtt(20'000), lab())));
  expect_fine(judged("sndbuf-locked-by-app", with_min_rtt(16'000), lab()));
}

TEST(SndbufLocked, one_dip_clears_nothing) {
  EXPECT_TRUE(only_finding(judged("sndbuf-locked-by-app",
                                  a_window(8,
                                           [](SampleBuilder& s, std::size_t i) {
                                             SocketRow row = locked_sender(i, 0.12);
                                             if (i == 7) *row.sndbuf_limited_us -= 60'000;
                                             one_flow(s, row);
                                           }),
                                  lab())));
}

TEST(SndbufLocked, clears_when_the_sender_is_idle) {
  expect_fine(judged("sndbuf-locked-by-app",
                     a_window(8, [](SampleBuilder& s,
                                    std::size_t i) { one_flow(s, locked_sender(std::min<std::size_t>(i, 6), 0.41)); }),
                     lab()));
}

}  // namespace
}  // namespace tcpadvisor::buffers_test
