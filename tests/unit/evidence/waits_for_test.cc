// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/waits_for.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/builders.h"

namespace tcpadvisor::waits_for_test {
namespace {

using build::a_socket;
using testing::HasSubstr;
using enum WaitsFor;

/// Sends freely: 20,000 of 30,000 bytes on their way, room in every window, Nagle off, not paced.
SocketRow sender() {
  SocketRow row = a_socket().established().pid(4, "api").send_q(30'000);
  row.not_sent = 10'000;
  row.snd_wnd = 100'000;
  row.snd_cwnd = 40;
  row.unacked_segs = 15;
  row.lost_segs = 0;
  row.mss = 1'448;
  row.nodelay = true;
  row.cork = false;
  row.paced = false;
  row.pacing_rate = 1'000'000;
  row.wmem_alloc = 0;
  row.cwnd_limited = false;
  row.sndbuf = 87'040;
  row.wmem_queued = 40'000;
  row.nospace = false;
  row.backoff = 0;
  row.timer = Timer::retransmit;
  row.rcvlowat = 1;
  return row;
}

WaitsFor what(const SocketRow& row, const PastRow* before = nullptr) {
  auto waiting = waits_for(row, before);
  EXPECT_TRUE(waiting);
  return waiting ? waiting->what : not_known;
}
std::string text(const SocketRow& row) {
  return waits_for(row, nullptr).value_or(Waiting{}).text;
}

struct Case {
  const char* name;
  void (*change)(SocketRow&);
  WaitsFor wanted;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

class EachWait : public testing::TestWithParam<Case> {};

TEST_P(EachWait, is_told_by_the_row) {
  SocketRow row = sender();
  GetParam().change(row);
  EXPECT_EQ(what(row), GetParam().wanted) << text(row);
  EXPECT_FALSE(text(row).empty());
}

const Case kCases[] = {
    {"closed window", [](SocketRow& r) { r.snd_wnd = 0; }, peer_window},
    {"window too small for a segment, nothing on its way",
     [](SocketRow& r) { r.send_q = r.not_sent.emplace(10'000), r.unacked_segs = 0, r.snd_wnd = 1'000; }, peer_window},
    {"what is corked is probed for, too",
     [](SocketRow& r) { r.send_q = r.not_sent.emplace(20), r.cork = true, r.timer = Timer::persist; }, cork},
    {"window all on its way", [](SocketRow& r) { r.snd_wnd = 20'500; }, peer_window},
    {"a closed window goes before a full congestion window", [](SocketRow& r) { r.snd_wnd = 0, r.unacked_segs = 40; },
     peer_window},
    {"congestion window", [](SocketRow& r) { r.unacked_segs = 40; }, congestion_window},
    {"lost segments are not on their way", [](SocketRow& r) { r.unacked_segs = 40, r.lost_segs = 10; }, not_known},
    {"was limited by it when it sent last", [](SocketRow& r) { r.cwnd_limited = true; }, congestion_window},
    {"sent again by the timer", [](SocketRow& r) { r.backoff = 3, r.snd_cwnd = 1; }, acknowledgement},
    {"nagle", [](SocketRow& r) { r.not_sent = 200, r.nodelay = false; }, nagle},
    {"no nagle without anything on its way",
     [](SocketRow& r) { r.send_q = r.not_sent.emplace(200), r.nodelay = false, r.unacked_segs = 0; }, not_known},
    {"a full segment is not nagle's", [](SocketRow& r) { r.not_sent = 1'448, r.nodelay = false; }, not_known},
    {"cork", [](SocketRow& r) { r.not_sent = 200, r.cork = true; }, cork},
    {"pacing", [](SocketRow& r) { r.paced = true; }, pacing},
    {"a rate that nobody keeps to is no pacing", [](SocketRow& r) { r.paced = false; }, not_known},
    {"device", [](SocketRow& r) { r.wmem_alloc = 20'000; }, device},
    {"own buffer, a sender waits", [](SocketRow& r) { r.not_sent = 0, r.nospace = true; }, own_buffer},
    {"own buffer, full", [](SocketRow& r) { r.not_sent = 0, r.wmem_queued = 87'040; }, own_buffer},
    {"own buffer, no sizes", [](SocketRow& r) { r.not_sent = 0, r.nospace = true, r.sndbuf.reset(); }, own_buffer},
    {"all is sent", [](SocketRow& r) { r.not_sent = 0; }, acknowledgement},
    {"all is sent, again and again", [](SocketRow& r) { r.not_sent = 0, r.backoff = 2; }, acknowledgement},
    {"window probed, all sent", [](SocketRow& r) { r.not_sent = 0, r.snd_wnd = 0, r.timer = Timer::persist; },
     peer_window},
    {"nothing to send", [](SocketRow& r) { r.send_q = 0, r.not_sent = 0; }, program},
    {"unread", [](SocketRow& r) { r.send_q = 0, r.not_sent = 0, r.recv_q = 12; }, reader},
    {"too little to read", [](SocketRow& r) { r.send_q = 0, r.not_sent = 0, r.recv_q = 12, r.rcvlowat = 100; },
     more_bytes},
    {"what is left after the end is read whatever the mark",
     [](SocketRow& r) {
       r.send_q = 0, r.not_sent = 0, r.recv_q = 12, r.rcvlowat = 100;
       r.state = TcpState::close_wait;
     },
     reader},
    {"not closed", [](SocketRow& r) { r.send_q = 0, r.state = TcpState::close_wait; }, program},
    {"peer not closed", [](SocketRow& r) { r.send_q = 0, r.state = TcpState::fin_wait_2; }, peer_end},
    {"our end", [](SocketRow& r) { r.send_q = 0, r.state = TcpState::last_ack; }, acknowledgement},
    {"SYN", [](SocketRow& r) { r.state = TcpState::syn_sent; }, acknowledgement},
    {"SYN-ACK", [](SocketRow& r) { r.state = TcpState::syn_recv; }, acknowledgement},
    {"what is sent is not visible", [](SocketRow& r) { r.not_sent.reset(); }, not_known},
    {"a closed window is visible all the same", [](SocketRow& r) { r.not_sent.reset(), r.snd_wnd = 0; }, peer_window},
    {"windows are not visible", [](SocketRow& r) { r.snd_wnd.reset(), r.snd_cwnd.reset(); }, not_known},
    {"nagle is not visible", [](SocketRow& r) { r.not_sent = 200, r.nodelay.reset(), r.cork.reset(); }, not_known},
};
INSTANTIATE_TEST_SUITE_P(Rows, EachWait, testing::ValuesIn(kCases));

TEST(WaitsFor, tells_the_numbers) {
  SocketRow row = sender();
  row.snd_wnd = 20'500;
  EXPECT_EQ(text(row), "the peer's window: 20,000 bytes are on their way, of the 20,500 bytes that it offers");
  row.unacked_segs = 40;
  row.snd_wnd = 100'000;
  row.recv_q = 5;
  EXPECT_EQ(text(row),
            "the congestion window: 40 of 40 segments are on their way; and for the program to read 5 bytes");
}

TEST(WaitsFor, its_past_decides_what_the_row_does_not) {
  SocketRow row = sender();
  row.busy_us = 2'000'000;
  row.rwnd_limited_us = 900'000;
  row.sndbuf_limited_us = 0;
  PastRow before;
  before.busy_us = std::uint64_t{1'000'000};
  before.rwnd_limited_us = std::uint64_t{100'000};
  before.sndbuf_limited_us = std::uint64_t{0};
  EXPECT_EQ(what(row), not_known);
  EXPECT_EQ(what(row, &before), peer_window);
  row.rwnd_limited_us = 500'000;
  EXPECT_EQ(what(row, &before), not_known) << "less than half of the time";
  row.not_sent = 0;
  EXPECT_EQ(what(row, &before), acknowledgement);
  row.sndbuf_limited_us = 800'000;
  EXPECT_EQ(what(row, &before), own_buffer);
  before.busy_us = std::uint64_t{3'000'000};
  EXPECT_EQ(what(row, &before), acknowledgement) << "a clock that went back proves nothing";
}

TEST(WaitsFor, what_has_no_two_ends_waits_for_nothing) {
  for (TcpState state : {TcpState::listen, TcpState::time_wait, TcpState::close, TcpState::new_syn_recv}) {
    SocketRow row = sender();
    row.state = state;
    EXPECT_FALSE(waits_for(row, nullptr)) << name_of(state);
  }
  SocketRow row = sender();
  row.kind = SocketKind::timewait;
  EXPECT_FALSE(waits_for(row, nullptr));
}

TEST(WaitsFor, hostile_numbers_do_no_harm) {
  for (std::uint64_t send_q : {std::uint64_t{0}, std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()}) {
    for (std::uint64_t not_sent : {std::uint64_t{0}, std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()}) {
      for (std::uint32_t most : {0u, 1u, std::numeric_limits<std::uint32_t>::max()}) {
        SocketRow row = sender();
        row.send_q = send_q;
        row.not_sent = not_sent;
        row.snd_wnd = row.snd_cwnd = row.unacked_segs = row.lost_segs = row.mss = row.rcvlowat = most;
        row.wmem_alloc = row.sndbuf = row.wmem_queued = row.pacing_rate = row.recv_q = not_sent;
        row.busy_us = row.rwnd_limited_us = row.sndbuf_limited_us = send_q;
        PastRow before;
        before.busy_us = before.rwnd_limited_us = before.sndbuf_limited_us = std::uint64_t{1};
        auto waiting = waits_for(row, &before);
        ASSERT_TRUE(waiting);
        EXPECT_FALSE(waiting->text.empty());
      }
    }
  }
}

}  // namespace
}  // namespace tcpadvisor::waits_for_test
