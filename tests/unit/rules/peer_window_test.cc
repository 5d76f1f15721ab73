// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::peer_window_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr std::string_view kId = "peer-window-limited";
using Change = std::function<void(SocketRow&, std::size_t)>;

/// 3.9 MB/s over 20 ms towards a window of 80,480 bytes.
SocketRow sender(std::size_t i) {
  return a_socket().pid(4, "source").send_q(400'000).set([=](SocketRow& row) {
    row.congestion_control = "cubic";
    row.busy_us = 1'000'000 * i;
    row.rwnd_limited_us = 980'000 * i + 1;
    row.sndbuf_limited_us = 0;
    row.bytes_acked = 3'900'000 * i;
    row.snd_wnd = 80'480;
    row.srtt_us = 20'500;
    row.min_rtt_us = 20'000;
  });
}

Window sending(const Change& change) {
  return a_window(8, [=](SampleBuilder& s, std::size_t i) {
    SocketRow row = sender(i);
    change(row, i);
    s.count(TcpState::established, 1).add(row);
  });
}
Outcome with(const Change& change) {
  return judged(kId, sending(change), lab());
}

TEST(PeerWindow, tells_who_waits_for_the_other_end_and_changes_nothing_here) {
  auto finding = only_finding(with([](SocketRow&, std::size_t) {}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->finding_class, FindingClass::peer);
  EXPECT_EQ(finding->scope.pid, 4u);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
  EXPECT_FALSE(finding->recommendation.change);
  EXPECT_NEAR(*value_of(*finding, "rwnd_limited_of_busy_time"), 0.98, 0.01);
  EXPECT_NEAR(*value_of(*finding, "peer_window_used_per_rtt"), 0.99, 0.01);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("a receive buffer that may grow to 1 MiB"));
  EXPECT_EQ(finding->not_useful.front().knob, "net.ipv4.tcp_wmem");
}

TEST(PeerWindow, a_sender_that_paces_itself_waits_less_for_the_same_fault) {
  auto waits = [](std::string control, double share) {
    return with([=](SocketRow& row, std::size_t i) {
      row.congestion_control = control;
      row.rwnd_limited_us = static_cast<std::uint64_t>(share * 1e6 * static_cast<double>(i)) + 1;
    });
  };
  EXPECT_TRUE(only_finding(waits("bbr", 0.38)));
  expect_fine(waits("bbr", 0.07));
  expect_fine(waits("cubic", 0.38));
}

TEST(PeerWindow, other_limits_are_not_called_the_peers) {
  expect_fine(with([](SocketRow& row, std::size_t) { row.srtt_us = 26'000; }));  // the path's queue is full
  expect_fine(with([](SocketRow& row, std::size_t) { row.srtt_us = row.min_rtt_us = 900; }));
  expect_fine(with([](SocketRow& row, std::size_t) { row.min_rtt_us.reset(); }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.snd_wnd = i % 2 == 0 ? 80'480 : 60'000; }));  // its reader
  expect_fine(with([](SocketRow& row, std::size_t i) { row.snd_wnd = i % 2 == 0 ? 80'480 : 0; }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.bytes_acked = 3'200'000 * i; }));  // 82 % of the window
  expect_fine(with([](SocketRow& row, std::size_t i) { row.bytes_acked = 3'900'000 * std::min<std::size_t>(i, 6); }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.busy_us = 100'000 * i; }));  // hardly ever sends
}

TEST(PeerWindow, an_end_on_this_host_is_named) {
  Window window = a_window(8, [](SampleBuilder& s, std::size_t i) {
    SocketRow far = a_socket().cookie(2).pid(9, "sink");
    std::swap(far.local, far.remote);
    s.add(sender(i)).add(far);
  });
  auto finding = only_finding(judged(kId, window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("the other end is sink[9] on this host"));
}

TEST(PeerWindow, is_not_assessed_without_samples) {
  Window brief = a_window(2, [](SampleBuilder& s, std::size_t i) { s.add(sender(i)); });
  expect_unknown(judged(kId, brief, lab()), "not enough data");
}

}  // namespace
}  // namespace tcpadvisor::peer_window_test
