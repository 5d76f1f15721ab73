// SPDX-License-Identifier: Apache-2.0
// The cases that bpftune's authors list (CASE_STUDIES.md) with the settings that helped there, and what ours says of
// such a host: the limiter first, the holder by name, and a number that memory allows.
#include "tests/unit/verdict/incident.h"

namespace tcpadvisor::incidents_bpftune_test {
namespace {

using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kMiB = 1u << 20, kGiB = 1u << 30;

// iSCSI hosts that lost contact, "TCP: out of memory", tcp_mem 65536 131072 262144; it became 70 GiB there.
TEST(BpftuneCase, tcp_out_of_memory_names_who_holds_it_and_stays_below_a_quarter_of_the_ram) {
  const Verdict verdict = judge(a_window(8,
                                         [](SampleBuilder& sample, std::size_t i) {
                                           sample.sysctl("net.ipv4.tcp_mem", {65'536, 131'072, 262'144});
                                           sample.counter("TcpExt.TCPMemoryPressures", i);
                                           sample.set([](Sample& all) {
                                             all.host.mem_bytes = 64 * kGiB;
                                             all.host.mem_available_bytes = 50 * kGiB;
                                             all.memory.limits_pages = {{65'536, 131'072, 262'144}};
                                             all.memory.pages = 180'000;
                                             all.memory.under_pressure = true;
                                           });
                                           sample.add(a_process(9, "tgtd").memory(100 * kMiB, 500 * kMiB));
                                         }),
                                Policy{});
  const Finding finding = finding_of(verdict, "tcp-mem-pressure-global");
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_THAT(steps_of(finding), HasSubstr("largest: tgtd[9] 600 MiB"));
  ASSERT_TRUE(finding.recommendation.change);
  const std::vector<std::int64_t>& target = finding.recommendation.change->target;
  EXPECT_GT(target[1], 180'000);
  EXPECT_LE(static_cast<std::uint64_t>(target[2]) * 4'096, 16 * kGiB);
}

/// A flow of 10 Gbit/s to a server of files; what it waits for, and how much of it is sent again.
struct Transfer {
  std::uint32_t again_per_s = 0;
  double rtt_growth = 1;
  std::uint64_t rwnd_us = 0, sndbuf_us = 0;  ///< a second
};

Verdict transferring(const Transfer& story) {
  return judge(a_window(30,
                        [=](SampleBuilder& sample, std::size_t i) {
                          SocketRow row = a_socket().pid(70, "nfsd").sndbuf(4'194'304, 1'000'000).send_q(600'000);
                          row.bytes_acked = row.bytes_sent = 900'000'000 * i;
                          row.data_segs_out = static_cast<std::uint32_t>(620'000 * i);
                          row.total_retrans = static_cast<std::uint32_t>(story.again_per_s * i);
                          row.busy_us = 1'000'000 * i;
                          row.rwnd_limited_us = story.rwnd_us * i;
                          row.sndbuf_limited_us = story.sndbuf_us * i;
                          row.min_rtt_us = 400;
                          row.srtt_us = static_cast<std::uint32_t>(400 * story.rtt_growth);
                          row.snd_wnd = 3'000'000;
                          row.congestion_control = "cubic";
                          sample.counter("Tcp.RetransSegs", story.again_per_s * i).counter("Tcp.OutSegs", 620'000 * i);
                          sample.count(TcpState::established, 1).add(row);
                        }),
               Policy{});
}

// NFS stalls with retransmissions at default sizes; all buffers and the backlog were raised, and the root was never
// found.
TEST(BpftuneCase, stalls_without_a_limiter_raise_no_buffer) {
  const Verdict verdict = transferring({.again_per_s = 300, .rtt_growth = 3});
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
  EXPECT_THAT(findings_of(verdict, "sndbuf-bdp-autotune-cap"), IsEmpty());
  EXPECT_THAT(findings_of(verdict, "softnet-drop"), IsEmpty());
}

// 10G NFS, high load of the processors: htcp was chosen. Without losses no congestion control is to blame.
TEST(BpftuneCase, a_fast_flow_without_losses_keeps_its_congestion_control) {
  const Verdict verdict = transferring({});
  EXPECT_THAT(alarms(verdict), IsEmpty());
  EXPECT_THAT(findings_of(verdict, "retrans-cc-qdisc"), IsEmpty());
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
}

// A backlog above somaxconn is cut without a word.
TEST(BpftuneCase, a_backlog_cut_by_somaxconn_is_raised_there_and_acts_at_the_next_listen) {
  const Verdict verdict = judge(a_window(20,
                                         [](SampleBuilder& sample, std::size_t i) {
                                           const std::uint64_t dropped = i < 9 ? 0 : 260;
                                           sample.sysctl("net.core.somaxconn", {128});
                                           sample.counter("TcpExt.ListenOverflows", dropped);
                                           sample.add(a_socket().listen(443, 1, 128).drops(dropped).pid(31, "web"));
                                         }),
                                Policy{});
  const Finding finding = finding_of(verdict, "backlog-too-small");
  EXPECT_THAT(changed_knobs(verdict), ElementsAre("net.core.somaxconn"));
  EXPECT_EQ(finding.recommendation.change->target.front(), 1'024);
  EXPECT_THAT(steps_of(finding), HasSubstr("the change acts at the next listen()"));
}

/// Packets that come to two processors, and drops in one second of eight.
Verdict packets(std::uint32_t dropped) {
  return judge(
      a_window(8,
               [=](SampleBuilder& sample, std::size_t i) {
                 const auto step = static_cast<std::uint32_t>(i);
                 sample.sysctl("net.core.netdev_max_backlog", {1'000});
                 sample.counter("Tcp.RetransSegs", i > 4 ? dropped / 2 : 0).counter("Tcp.OutSegs", 90'000 * i);
                 sample.set([&](Sample& all) {
                   all.softnet = {Softnet{.cpu = 0, .processed = 80'000 * step, .dropped = i > 4 ? dropped : 0},
                                  Softnet{.cpu = 1, .processed = 70'000 * step}};
                   all.host_pressure->cpu_some = Stall{.percent_10 = 60, .percent_60 = 55, .total_us = 600'000 * i};
                 });
               }),
      Policy{});
}

// netdev_max_backlog from 1,000 to 30,000; and a ksoftirqd that is busy freeing pages: neither is advice without drops.
TEST(BpftuneCase, a_queue_of_packets_is_lengthened_only_for_drops_and_only_for_a_burst) {
  EXPECT_THAT(alarms(packets(0)), IsEmpty());
  EXPECT_THAT(changed_knobs(packets(0)), IsEmpty());
  const Verdict verdict = packets(700);
  const Finding finding = finding_of(verdict, "softnet-drop");
  EXPECT_EQ(finding.severity, Severity::warning);
  ASSERT_TRUE(finding.recommendation.change);
  EXPECT_EQ(finding.recommendation.change->target.front(), 2'000);
  EXPECT_THAT(finding.recommendation.steps.front(), HasSubstr("spread first"));
}

}  // namespace
}  // namespace tcpadvisor::incidents_bpftune_test
