// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::autotune_caps_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr std::string_view kReceiveId = "rcvbuf-bdp-autotune-cap", kSendId = "sndbuf-bdp-autotune-cap";
using Change = std::function<void(SocketRow&, std::size_t)>;

/// 7.8 MB/s over 20 ms through a window of 162,432 bytes, and a buffer that may not be larger than 256 KiB.
SocketRow capped_receiver(std::size_t i, double bytes_per_s = 7.8e6) {
  return a_socket().pid(3, "sink").rcvbuf(262'144, 12'000).set([=](SocketRow& row) {
    row.bytes_received = static_cast<std::uint64_t>(bytes_per_s * static_cast<double>(i));
    row.rcv_rtt_us = 20'400;
    row.min_rtt_us = 20'100;
    row.rcv_wnd = 162'432;
    row.scaling_ratio = 159;
    row.rcv_wscale = 7;
  });
}

using Fill = std::function<void(SampleBuilder&, std::size_t)>;
Window receiving(const Change& change, const Fill& more = {}) {
  return a_window(8, [=](SampleBuilder& s, std::size_t i) {
    SocketRow row = capped_receiver(i);
    change(row, i);
    s.count(TcpState::established, 1).add(row).sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 262'144});
    if (more) more(s, i);
  });
}
void as_it_is(SocketRow&, std::size_t) {}

TEST(RcvbufCap, fires_where_the_maximum_is_used_up_and_asks_for_what_the_path_can_need) {
  auto finding = only_finding(judged(kReceiveId, receiving(as_it_is), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.pid, 3u);
  EXPECT_EQ(finding->scope.count, 1u);
  EXPECT_NEAR(*value_of(*finding, "window_used_per_rtt"), 0.98, 0.01);
  EXPECT_THAT(finding->title, HasSubstr("tcp_rmem[2] = 256 KiB holds 1 flow of sink[3] to 62.4 Mbit/s"));
  ASSERT_TRUE(finding->recommendation.change);
  const auto& change = *finding->recommendation.change;
  EXPECT_EQ(change.knob, "net.ipv4.tcp_rmem");
  EXPECT_EQ(change.current, (std::vector<std::int64_t>{4096, 131'072, 262'144}));
  EXPECT_EQ(change.lower[2], 1 << 20);  // 2 x (2 x 7.8 MB/s x 20.1 ms) / 0.62, as a power of two
  EXPECT_EQ(change.target[2], 6 << 20) << "the kernel's own default is not undercut";
  EXPECT_EQ(change.target[1], 131'072) << "what every connection starts with stays";
  EXPECT_EQ(change.upper[2], 64 << 20);
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("8 busy connections x (6 MiB + 4 MiB) = 80 MiB <= 80 % of "));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("for one flow at 20.1 ms"));
  EXPECT_EQ(finding->recommendation.worst_case_memory_bytes, 80u << 20);
}

TEST(RcvbufCap, above_the_default_the_need_counts) {
  // 150 Mbit/s over 200 ms through 6 MiB.
  auto window = a_window(8, [](SampleBuilder& s, std::size_t i) {
    SocketRow row = capped_receiver(i, 18.75e6);
    row.rcvbuf = 6'291'456;
    row.rcv_rtt_us = row.min_rtt_us = 200'000;
    row.rcv_wnd = 3'900'000;
    s.count(TcpState::established, 1).add(row);
  });
  auto finding = only_finding(judged(kReceiveId, window, lab()));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target[2], 32 << 20);
  EXPECT_THAT(finding->recommendation.steps.back(), HasSubstr("window scale")) << "7 bits end at 8 MiB";
}

/// What many pages advise for 10 Gbit/s over 100 ms is for many flows: one gets a seventh of it.
TEST(RcvbufCap, says_what_one_flow_gets_and_what_it_would_need) {
  auto window = a_window(8, [](SampleBuilder& s, std::size_t i) {
    SocketRow row = capped_receiver(i, 167.7e6);
    row.rcvbuf = 32 << 20;
    row.rcv_rtt_us = row.min_rtt_us = 100'000;
    row.rcv_wnd = 16 << 20;
    row.scaling_ratio.reset();  // before 6.6: half of the buffer
    s.count(TcpState::established, 1).add(row).sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 32 << 20});
    s.set([](Sample& x) {
      x.host.mem_bytes = 256ull << 30;
      x.memory.limits_pages = {{3'000'000, 4'000'000, 6'000'000}};
    });
  });
  auto finding = only_finding(judged(kReceiveId, window, lab()));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target[2], 64 << 20) << "more is the operator's decision";
  EXPECT_THAT(finding->meaning, HasSubstr("1.34 Gbit/s for one flow at 100 ms"));
  EXPECT_THAT(finding->recommendation.formula,
              HasSubstr("128 MiB would be needed for 2.68 Gbit/s in one flow that can repair"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("64 MiB allows 2.68 Gbit/s for one flow at 100 ms"));
}

TEST(RcvbufCap, a_buffer_that_does_not_bind_is_fine) {
  auto with = [](const Change& change) { return judged(kReceiveId, receiving(change), lab()); };
  expect_fine(with([](SocketRow& row, std::size_t) { row.rcvbuf = 240'000; }));  // below 95 % of the maximum
  expect_fine(with([](SocketRow& row, std::size_t i) { row.bytes_received = 6'500'000 * i; }));   // 82 % of the window
  expect_fine(with([](SocketRow& row, std::size_t) { row.rmem_alloc = 120'000; }));               // a slow reader
  expect_fine(with([](SocketRow& row, std::size_t) { row.rcv_rtt_us = row.min_rtt_us = 900; }));  // a LAN
  expect_fine(with([](SocketRow& row, std::size_t) { row.min_rtt_us = 17'000; }));   // a queue stands on the path
  expect_fine(with([](SocketRow& row, std::size_t) { row.locks->rcvbuf = true; }));  // another rule's
  expect_fine(
      with([](SocketRow& row, std::size_t i) { row.bytes_received = 7'800'000 * std::min<std::size_t>(i, 6); }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.rcvbuf = i < 7 ? 200'000 : 262'144; }));  // only now there
}

TEST(RcvbufCap, clears_once_the_maximum_is_higher) {
  expect_fine(judged(
      kReceiveId,
      receiving(as_it_is,
                [](SampleBuilder& s, std::size_t) { s.sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 6'291'456}); }),
      lab()));
}

TEST(RcvbufCap, without_a_handshake_seen_it_is_less_sure_and_without_locks_it_does_not_say) {
  auto finding =
      only_finding(judged(kReceiveId, receiving([](SocketRow& row, std::size_t) { row.min_rtt_us.reset(); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  expect_unknown(judged(kReceiveId, receiving([](SocketRow& row, std::size_t) { row.locks.reset(); }), lab()),
                 "does not show whether 1 flow with its buffer at the maximum has SO_RCVBUF set");
}

/// What says that memory comes first.
void expect_not_raised(const Window& window, const std::string& reason) {
  auto finding = only_finding(judged(kReceiveId, window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->recommendation.text, HasSubstr(reason));
}

TEST(RcvbufCap, memory_comes_first) {
  auto host = [](const std::function<void(Sample&)>& change) {
    return receiving(as_it_is, [=](SampleBuilder& s, std::size_t) { s.set(change); });
  };
  expect_not_raised(host([](Sample& x) { x.memory.under_pressure = true; }), "under memory pressure now");
  expect_not_raised(host([](Sample& x) { x.memory.limits_pages = {{2'000'000, 3'000'000, 4'000'000}}; }),
                    "more than 25 % of 24 GiB of RAM");
  expect_not_raised(host([](Sample& x) { x.host_pressure->memory_some->percent_60 = 12; }),
                    "programs waited for memory 12 %");
  expect_not_raised(host([](Sample& x) { x.memory.limits_pages.reset(); }), "could not be read");
  expect_not_raised(host([](Sample& x) { x.memory.limits_pages = {{5'000, 8'000, 12'000}}; }),
                    "than there is for them");  // 25 MiB for eight busy ones: 3.1 MiB each, and 4 MiB are tcp_wmem's
  expect_not_raised(receiving(as_it_is, [](SampleBuilder& s, std::size_t i) { s.counter("TcpExt.RcvPruned", i); }),
                    "7 segments of received data were thrown away");
  expect_not_raised(
      receiving(as_it_is, [](SampleBuilder& s, std::size_t i) { s.counter("TcpExt.TCPMemoryPressures", i); }),
      "came under memory pressure");
}

TEST(RcvbufCap, takes_the_largest_power_of_two_that_memory_allows) {
  auto busy = a_socket().pid(4, "other").rcvbuf(400'000, 200'000);
  Window window = receiving(as_it_is, [&](SampleBuilder& s, std::size_t) {
    s.set([&](Sample& x) { x.memory.limits_pages = {{40'000, 64'000, 96'000}}; });  // 200 MiB up to the mark
    s.add(30, busy);
  });
  auto finding = only_finding(judged(kReceiveId, window, lab()));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target[2], 2 << 20);  // 200 MiB / 30 - 4 MiB = 2.7 MiB
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("memory-capped"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("30 busy connections x (2 MiB + 4 MiB) = 180 MiB <="));
}

TEST(RcvbufCap, the_limit_of_the_memory_cgroup_counts) {
  Window window = receiving([](SocketRow& row, std::size_t) { row.cgroup = "/pod/app"; },
                            [](SampleBuilder& s, std::size_t) {
                              s.set([](Sample& x) {
                                x.cgroups.push_back({.id = 1, .path = "/pod", .memory_max = 100ull << 20});
                                x.cgroups.push_back({.id = 2, .path = "/po", .memory_max = 1ull << 20});
                              });
                            });
  auto finding = only_finding(judged(kReceiveId, window, lab()));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->target[2], 2 << 20);  // 50 MiB / 8 - 4 MiB
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("50 % of the limit of cgroup /pod = 50 MiB"));
}

TEST(RcvbufCap, one_setting_of_one_namespace_is_one_finding_and_a_container_keeps_it_by_its_runtime) {
  constexpr NetnsId kInside = 99;
  Window window = a_window(8, [](SampleBuilder& s, std::size_t i) {
    s.set([](Sample& x) {
      NetnsSample inside{};
      inside.id = kInside;
      inside.name = "pid:7";
      inside.sysctls["net.ipv4.tcp_rmem"].values = {4096, 131'072, 262'144};
      inside.sysctls["net.ipv4.tcp_wmem"].values = {4096, 16'384, 4'194'304};
      x.netns.push_back(std::move(inside));
    });
    for (Pid pid : {3u, 4u}) {
      SocketRow row = capped_receiver(i);
      row.netns = kInside;
      row.cookie = pid;
      row.owner = Owner{.pid = pid, .comm = "sink"};
      s.add(row);
    }
  });
  auto finding = only_finding(judged(kReceiveId, window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
  EXPECT_EQ(finding->scope.count, 2u);
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("by what starts the container"));
}

/// 5 MB/s over 20 ms; 42 % of the busy time there is no room in a buffer of 128 KiB.
Window sending(const Change& change, std::int64_t maximum = 131'072) {
  return a_window(8, [=](SampleBuilder& s, std::size_t i) {
    SocketRow row = a_socket().pid(4, "source").sndbuf(131'072, 130'000).set([=](SocketRow& r) {
      r.busy_us = 1'000'000 * i;
      r.sndbuf_limited_us = 420'000 * i;
      r.rwnd_limited_us = 0;
      r.bytes_acked = 5'000'000 * i;
      r.srtt_us = 20'500;
      r.min_rtt_us = 20'000;
      r.data_segs_out = static_cast<std::uint32_t>(3'500 * i);
      r.total_retrans = 0;
    });
    change(row, i);
    s.count(TcpState::established, 1).add(row).sysctl("net.ipv4.tcp_wmem", {4096, 16'384, maximum});
  });
}

TEST(SndbufCap, fires_where_the_sender_waits_for_room_at_the_maximum) {
  auto finding = only_finding(judged(kSendId, sending(as_it_is), lab()));
  ASSERT_TRUE(finding);
  EXPECT_NEAR(*value_of(*finding, "sndbuf_limited_of_busy_time"), 0.42, 0.01);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_wmem");
  EXPECT_EQ(finding->recommendation.change->lower[2], 512 << 10);  // 2 x (2 x 5 MB/s x 20 ms), as a power of two
  EXPECT_EQ(finding->recommendation.change->target[2], 4 << 20);
  EXPECT_EQ(finding->recommendation.expected_effect->to, 0);
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("8 busy connections x (4 MiB + 6 MiB)"));
}

TEST(SndbufCap, a_buffer_that_does_not_bind_is_fine) {
  auto with = [](const Change& change) { return judged(kSendId, sending(change), lab()); };
  expect_fine(with([](SocketRow& row, std::size_t i) { row.sndbuf_limited_us = 33'000 * i; }));
  expect_fine(with([](SocketRow& row, std::size_t) { row.min_rtt_us = 16'000; }));  // the path's queue is full
  expect_fine(with([](SocketRow& row, std::size_t) { row.min_rtt_us = 900; }));
  expect_fine(with([](SocketRow& row, std::size_t) { row.min_rtt_us.reset(); }));
  expect_fine(with([](SocketRow& row, std::size_t) { row.locks->sndbuf = true; }));
  expect_fine(with([](SocketRow& row, std::size_t i) { row.rwnd_limited_us = 500'000 * i; }));  // the peer's window
  expect_fine(with([](SocketRow& row, std::size_t i) { row.bytes_acked = 1'000'000 * i; }));    // 8 Mbit/s
  expect_fine(with(
      [](SocketRow& row, std::size_t i) { row.total_retrans = static_cast<std::uint32_t>(80 * i); }));  // 2.3 % lost
  expect_fine(judged(kSendId, sending(as_it_is, 262'144), lab()));
}

TEST(AutotuneCaps, are_not_assessed_without_samples) {
  Window brief = a_window(2, [](SampleBuilder& s, std::size_t i) {
    s.add(capped_receiver(i)).sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 262'144});
  });
  expect_unknown(judged(kReceiveId, brief, lab()), "not enough data");
}

}  // namespace
}  // namespace tcpadvisor::autotune_caps_test
