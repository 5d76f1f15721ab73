// SPDX-License-Identifier: Apache-2.0
// Incidents that were told in public, as in incidents_memory_test.cc: those about queues, ports and single flows.
#include "tests/unit/verdict/incident.h"

namespace tcpadvisor::incidents_flows_test {
namespace {

using build::a_socket;
using build::a_window;

using build::kHostNetns;
using build::SampleBuilder;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// agentmail-mcp#46: listen(511) below somaxconn 4,096; the queue up to 512 of 511 in bursts, an event loop of 20 ms;
// ListenOverflows = ListenDrops, 3,378 to 5,729.
TEST(Incident, bursts_over_a_backlog_of_511_are_cured_in_the_program_and_not_with_somaxconn) {
  const Verdict verdict =
      judge(a_window(30,
                     [](SampleBuilder& sample, std::size_t i) {
                       const std::uint64_t dropped = 3'378 + 81 * i;
                       sample.counter("TcpExt.ListenOverflows", dropped);
                       sample.counter("TcpExt.ListenDrops", dropped);
                       sample.counter("Tcp.PassiveOpens", 900 * i);
                       SocketRow listener =
                           a_socket().listen(3'000, i % 4 == 1 ? 506 : 7, 511).drops(dropped).pid(31, "node");
                       listener.accept_peak = 512;
                       sample.add(listener);
                     }),
            Policy{});
  const Finding finding = finding_of(verdict, "backlog-too-small");
  EXPECT_EQ(finding.scope.pid, 31u);
  EXPECT_EQ(finding.recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding.recommendation.text, HasSubstr("listen("));
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
  EXPECT_THAT(alarms(verdict), ElementsAre("backlog-too-small"));
}

/// A flow over a path of 30 ms that waits for room in its own send buffer.
Verdict tunnel(bool locked) {
  return judge(a_window(30,
                        [=](SampleBuilder& sample, std::size_t i) {
                          SocketRow row = a_socket().pid(61, "wstunnel").sndbuf(425'984, 420'000).send_q(300'000);
                          row.locks = BufferLocks{.sndbuf = locked};
                          row.bytes_acked = row.bytes_sent = 9'000'000 * i;
                          row.busy_us = 1'000'000 * i;
                          row.sndbuf_limited_us = 950'000 * i;
                          row.rwnd_limited_us = 0;
                          row.srtt_us = 30'300;
                          row.min_rtt_us = 30'000;
                          row.snd_wnd = 3'000'000;
                          row.data_segs_out = static_cast<std::uint32_t>(6'400 * i);
                          row.total_retrans = 0;
                          sample.count(TcpState::established, 1).add(row);
                          sample.sysctl("net.core.wmem_max", {212'992});
                        }),
               Policy{});
}

// wstunnel#80: SO_SNDBUF in the program kept a path of 100 MB/s slow. Without it the kernel sizes the buffer.
TEST(Incident, an_option_that_keeps_a_tunnel_slow_is_the_programs_and_no_setting) {
  const Verdict verdict = tunnel(true);
  const Finding finding = finding_of(verdict, "sndbuf-locked-by-app");
  EXPECT_EQ(finding.scope.pid, 61u);
  EXPECT_EQ(finding.recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding.recommendation.text, HasSubstr("do not set SO_SNDBUF"));
  EXPECT_EQ(finding.not_useful.front().knob, "net.ipv4.tcp_wmem");
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
  EXPECT_THAT(findings_of(tunnel(false), "sndbuf-locked-by-app"), IsEmpty());
}

struct Frames {
  std::string kernel = "4.19.86";
  std::uint32_t mtu = 9'001;
  std::int64_t start = 131'072;
};

std::vector<Finding> late_growth(const Frames& story) {
  const Verdict verdict = judge(a_window(4,
                                         [&](SampleBuilder& sample, std::size_t) {
                                           sample.sysctl("net.ipv4.tcp_rmem", {4'096, story.start, 6'291'456});
                                           sample.host_ns().devices = {Device{.name = "lo", .mtu = 65'536},
                                                                       Device{.name = "eth0", .mtu = story.mtu}};
                                           sample.set([&](Sample& all) { all.host.kernel = story.kernel; });
                                         }),
                                Policy{});
  std::vector<Finding> out = findings_of(verdict, "mem-max-relation");
  std::erase_if(out, [](const Finding& one) { return one.topic != "late-growth"; });
  return out;
}

// kops#10206: from 4.19.86 on, frames of 9,001 bytes and buffers that start with 128 KiB let downloads stall; 87,380
// cures.
TEST(Incident, kernels_whose_buffers_grow_late_with_large_frames_are_told_of_it) {
  const std::vector<Finding> found = late_growth({});
  ASSERT_EQ(found.size(), 1u);
  expect_complete(found.front());
  EXPECT_EQ(found.front().severity, Severity::info);
  EXPECT_EQ(found.front().confidence, Confidence::low);
  EXPECT_EQ(found.front().recommendation.change->target, (std::vector<std::int64_t>{4'096, 87'380, 6'291'456}));
  EXPECT_EQ(late_growth({.kernel = "5.4.0-1028-aws"}).size(), 1u);
}

TEST(Incident, other_kernels_frames_and_starts_have_no_part_in_that) {
  EXPECT_THAT(late_growth({.kernel = "4.18.20"}), IsEmpty());
  EXPECT_THAT(late_growth({.kernel = "5.10.1"}), IsEmpty());
  EXPECT_THAT(late_growth({.kernel = "6.12.30"}), IsEmpty());
  EXPECT_THAT(late_growth({.kernel = "something"}), IsEmpty());
  EXPECT_THAT(late_growth({.mtu = 1'500}), IsEmpty());
  EXPECT_THAT(late_growth({.start = 87'380}), IsEmpty());
}

/// Buffers' maxima that somebody raises during the window while no flow needs it.
Verdict raised(const std::vector<std::int64_t>& maxima) {
  return judge(a_window(maxima.size(),
                        [&](SampleBuilder& sample, std::size_t i) {
                          sample.sysctl("net.ipv4.tcp_rmem", {4'096, 131'072, maxima[i]});
                          SocketRow row = a_socket().pid(3, "sink").rcvbuf(6'291'456, 9'000);
                          row.bytes_received = 40'000'000 * i;
                          row.rcv_rtt_us = row.min_rtt_us = 900;
                          row.rcv_wnd = 3'000'000;
                          sample.count(TcpState::established, 1).add(row);
                        }),
               Policy{});
}

// bpftune#36, #93, #188: 91 to 114 MB every 30 s; 2.0 to 2.5 GB; and a tcp_rmem that has become negative.
TEST(Incident, a_maximum_that_grows_without_need_is_nothing_to_go_on_with) {
  for (const auto& maxima : {std::vector<std::int64_t>{91'000'000, 91'000'000, 114'000'000, 114'000'000},
                             std::vector<std::int64_t>{2'000'000'000, 2'000'000'000, 2'500'000'000, 2'500'000'000}}) {
    const Verdict verdict = raised(maxima);
    EXPECT_THAT(alarms(verdict), IsEmpty());
    EXPECT_THAT(changed_knobs(verdict), IsEmpty());
    EXPECT_THAT(findings_of(verdict, "rcvbuf-bdp-autotune-cap"), IsEmpty());
  }
}

TEST(Incident, a_maximum_that_has_become_negative_is_put_in_order_again) {
  const Verdict verdict = raised({1'700'000'000, 1'700'000'000, -2'147'483'648, -2'147'483'648});
  const Finding finding = finding_of(verdict, "mem-max-relation");
  EXPECT_THAT(finding.title, HasSubstr("net.ipv4.tcp_rmem are not in order"));
  EXPECT_THAT(finding.recommendation.change->target, ElementsAre(4'096, 131'072, 6 << 20));
}

// cilium#36427: connect() failed with EADDRNOTAVAIL while the range was mostly free: the proxy bound the address and
// the port of whom it spoke for, and those four numbers were in use.
TEST(Incident, a_four_tuple_that_is_taken_is_no_want_of_ports) {
  const Endpoint upstream = Endpoint::v4(10, 2, 0, 9, 8080);
  const Verdict verdict = judge(
      a_window(8,
               [&](SampleBuilder& sample, std::size_t i) {
                 sample.counter("Tcp.ActiveOpens", 400 * i);
                 sample.counter("Tcp.AttemptFails", 0);
                 sample.add(PortUse{
                     .source = Endpoint::v4(10, 1, 0, 4, 0), .destination = upstream, .used = 900, .timewait = 700});
                 sample.add(
                     FailedConnects{kHostNetns, 71, "cilium-envoy", upstream, ConnectEnd::no_port, 40 + 5 * i, 200, 0});
               }),
      Policy{});
  const Finding finding = finding_of(verdict, "connects-fail");
  EXPECT_EQ(finding.topic, "no-port");
  EXPECT_EQ(finding.scope.pid, 71u);
  EXPECT_EQ(finding.scope.remote, upstream.text());
  EXPECT_THAT(finding.recommendation.text, HasSubstr("Let the kernel choose the port: no bind() before connect()"));
  EXPECT_EQ(finding.not_useful.front().knob, "net.ipv4.ip_local_port_range (wider)");
  EXPECT_THAT(findings_of(verdict, "port-exhaustion"), IsEmpty());
  EXPECT_THAT(changed_knobs(verdict), IsEmpty());
}

/// A flow at the end of tcp_rmem[2] = 4 MiB over 100 ms, while `collapsed` segments a second are packed together.
Verdict far_receiver(std::uint64_t collapsed) {
  return judge(a_window(30,
                        [=](SampleBuilder& sample, std::size_t i) {
                          sample.sysctl("net.ipv4.tcp_rmem", {4'096, 131'072, 4'194'304});
                          sample.counter("TcpExt.TCPRcvCollapsed", collapsed * i);
                          sample.counter("TcpExt.PruneCalled", collapsed / 50 * i);
                          SocketRow row = a_socket().pid(3, "edge").rcvbuf(4'194'304, 200'000);
                          row.bytes_received = 20'500'000 * i;
                          row.rcv_rtt_us = row.min_rtt_us = 100'000;
                          row.rcv_wnd = 2'097'152;
                          row.scaling_ratio = 128;
                          row.rcv_wscale = 8;
                          sample.count(TcpState::established, 1).add(row);
                        }),
               Policy{});
}

// Cloudflare, 2015 and 2022: tcp_rmem kept small because collapsing a long queue stopped a server for tens of
// milliseconds; larger only once that was bounded. Both sides have to be told.
TEST(Incident, a_larger_buffer_and_the_collapse_that_it_costs_are_told_together) {
  const Verdict calm = far_receiver(0), packing = far_receiver(20'000);
  const Finding wanted = finding_of(calm, "rcvbuf-bdp-autotune-cap");
  EXPECT_THAT(changed_knobs(calm), Contains("net.ipv4.tcp_rmem"));
  EXPECT_THAT(wanted.recommendation.formula, HasSubstr("4 MiB is 168 Mbit/s for one flow at 100 ms"));
  const Finding finding = finding_of(packing, "rcvbuf-bdp-autotune-cap");
  EXPECT_EQ(finding.severity, Severity::info);
  EXPECT_THAT(finding.recommendation.text,
              AllOf(HasSubstr("Do not raise net.ipv4.tcp_rmem now"), HasSubstr("packed together")));
  EXPECT_FALSE(findings_of(packing, "rcv-collapse-prune").empty());
  EXPECT_THAT(changed_knobs(packing), Not(Contains("net.ipv4.tcp_rmem")));
}

}  // namespace
}  // namespace tcpadvisor::incidents_flows_test
