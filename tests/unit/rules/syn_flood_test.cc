// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::syn_flood_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

constexpr std::string_view kId = "syn-flood-vs-overflow";

/// Counters per tick of one second.
struct Traffic {
  std::uint64_t cookies = 0, answered = 0, refused = 0, overflows = 0, repeated = 0, completed = 0;
  std::uint32_t half_open = 0;
  std::int64_t syncookies = 1;
};

Window under(const Traffic& traffic) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(443, 0, 128).pid(31, "web").drops(0));
    sample.counter("TcpExt.SyncookiesSent", traffic.cookies * i)
        .counter("TcpExt.SyncookiesRecv", traffic.answered * i)
        .counter("TcpExt.TCPReqQFullDrop", traffic.refused * i)
        .counter("TcpExt.ListenOverflows", traffic.overflows * i)
        .counter("TcpExt.TCPSynRetrans", traffic.repeated * i)
        .counter("Tcp.PassiveOpens", traffic.completed * i)
        .sysctl("net.ipv4.tcp_syncookies", {traffic.syncookies})
        .count(TcpState::new_syn_recv, traffic.half_open);
    sample.set([&](Sample& s) {
      PortTotals port{.netns = build::kHostNetns, .port = 443};
      port.sockets[index_of(TcpState::new_syn_recv)] = traffic.half_open;
      s.ports.push_back(port);
    });
  });
}

TEST(SynFlood, cookies_that_nobody_answers_are_a_flood_and_the_listener_is_named) {
  auto finding = only_finding(judged(kId, under({.cookies = 600, .answered = 5, .half_open = 128}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::attack);
  EXPECT_EQ(finding->severity, Severity::warning) << "real clients still get in";
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.pid, 31u);
  EXPECT_EQ(value_of(*finding, "half_open"), 128);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Keep net.ipv4.tcp_syncookies = 1"));
}

TEST(SynFlood, without_cookies_real_clients_are_dropped_and_cookies_are_the_cure) {
  auto finding = only_finding(judged(kId, under({.refused = 600, .half_open = 96, .syncookies = 0}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_syncookies");
  EXPECT_EQ(values_text(finding->recommendation.change->target), "1");
}

TEST(SynFlood, handshakes_may_pile_up_before_the_queue_is_full) {
  auto finding = only_finding(judged(kId, under({.repeated = 60, .half_open = 200}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(SynFlood, a_burst_of_real_clients_answers) {
  expect_fine(judged(kId, under({.cookies = 600, .answered = 590, .completed = 640}), lab()));
  expect_fine(judged(kId, under({.repeated = 2, .completed = 900, .half_open = 300}), lab()));
}

TEST(SynFlood, an_application_that_accepts_slowly_makes_the_kernel_send_cookies_as_well) {
  expect_fine(
      judged(kId, under({.cookies = 146, .answered = 146, .overflows = 900, .repeated = 600, .half_open = 63}), lab()));
  expect_fine(judged(kId, under({.cookies = 146, .overflows = 900, .half_open = 63}), lab()));
}

TEST(SynFlood, a_few_lost_handshakes_are_no_flood) {
  expect_fine(judged(kId, under({.cookies = 3, .half_open = 20}), lab()));
}

TEST(SynFlood, clears) {
  expect_fine(judged(kId,
                     a_window(8,
                              [](SampleBuilder& sample, std::size_t) {
                                sample.counter("TcpExt.SyncookiesSent", 90'000);  // of a flood long ago
                              }),
                     lab()));
}

TEST(SynFlood, is_not_assessed_without_its_counters) {
  expect_unknown(judged(kId,
                        a_window(8, [](SampleBuilder& sample,
                                       std::size_t) { sample.host_ns().counters.erase("TcpExt.SyncookiesSent"); }),
                        lab()),
                 "was not read");
}

}  // namespace
}  // namespace tcpadvisor::syn_flood_test
