// SPDX-License-Identifier: Apache-2.0
// What this host drops itself, as a hook sees it, for the rules that look for the place of a loss.
#include "advisor/rules/dropped.h"

#include "tests/unit/expect.h"

namespace tcpadvisor::dropped_test {
namespace {

using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;

Endpoint peer(std::uint8_t last = 2) {
  return Endpoint::v4(10, 0, 9, last, 0);
}

Drops netfilter(std::uint64_t segments, bool outgoing = true) {
  return {.netns = 0,
          .peer = peer(),
          .outgoing = outgoing,
          .reason = "NETFILTER_DROP",
          .function = "nf_hook_slow",
          .segments = segments};
}

/// A sender that sends 3 in 100 segments again, ten looks; `more` adds what is dropped.
Outcome sender(const std::function<void(SampleBuilder&, std::size_t)>& more, bool hook = true) {
  return judged("retrans-cc-qdisc",
                a_window(11,
                         [&](SampleBuilder& s, std::size_t i) {
                           auto n = static_cast<std::uint32_t>(i);
                           Endpoint to = peer();
                           to.port = 51'000;
                           SocketRow row = a_socket().pid(7, "api").remote(to);
                           row.mss = 1'448;
                           row.congestion_control = "cubic";
                           row.data_segs_out = 100 * n;
                           row.total_retrans = 3 * n;
                           row.dsack_dups = 0;
                           row.bytes_acked = 40'000 * i;
                           row.srtt_us = 41'000;
                           row.min_rtt_us = 40'000;
                           s.add(row);
                           if (hook) s.cover("drops", "hook");
                           more(s, i);
                         }),
                lab());
}

TEST(Dropped, a_rule_of_this_hosts_packet_filter_is_why_segments_are_sent_again) {
  auto finding = only_finding(sender([](SampleBuilder& s, std::size_t i) { s.add(netfilter(3 * i)); }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "local-drop");
  EXPECT_EQ(finding->finding_class, FindingClass::kernel_config);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_THAT(finding->title, HasSubstr("were lost on this host"));
  EXPECT_THAT(finding->meaning, HasSubstr("a rule of the packet filter (NETFILTER_DROP in nf_hook_slow)"));
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("nft list ruleset"));
  EXPECT_EQ(value_of(*finding, "dropped_here"), 30);
}

TEST(Dropped, the_queue_in_front_of_a_device_is_named_as_such) {
  auto finding = only_finding(sender([](SampleBuilder& s, std::size_t i) {
    Drops drops = netfilter(2 * i);
    drops.reason = "QDISC_DROP";
    drops.function = "__dev_xmit_skb";
    s.add(drops);
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "local-drop");
  EXPECT_THAT(finding->meaning, HasSubstr("the queue in front of a device (QDISC_DROP"));
  EXPECT_THAT(finding->recommendation.steps.front(), HasSubstr("tc -s qdisc"));
}

TEST(Dropped, a_few_are_told_and_the_others_are_lost_beyond_this_host) {
  auto finding = only_finding(sender([](SampleBuilder& s, std::size_t i) { s.add(netfilter(i / 2)); }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "lossy-path");
  EXPECT_EQ(value_of(*finding, "dropped_here"), 5);
  EXPECT_THAT(finding->meaning, HasSubstr("Of them 5 were dropped on this host"));
}

TEST(Dropped, where_a_hook_looks_and_sees_none_they_are_lost_beyond_this_host) {
  auto seen = only_finding(sender([](SampleBuilder& s, std::size_t i) {
    Drops others = netfilter(50 * i);  // of another address
    others.peer = peer(77);
    s.add(others);
    s.host_ns().devices.emplace_back().name = "eth0";
    s.counter("Device.eth0.dropped", 50 * i);
  }));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->topic, "lossy-path") << "the device's drops are those of the other address";
  EXPECT_EQ(seen->confidence, Confidence::high);
  EXPECT_EQ(value_of(*seen, "dropped_here"), 0);
  EXPECT_THAT(seen->meaning, HasSubstr("None of these packets was dropped on this host: they are lost beyond it."));

  auto not_seen = only_finding(sender([](SampleBuilder&, std::size_t) {}, false));
  ASSERT_TRUE(not_seen);
  EXPECT_EQ(not_seen->confidence, Confidence::medium);
  EXPECT_FALSE(value_of(*not_seen, "dropped_here"));
}

TEST(Dropped, where_some_were_not_counted_an_empty_list_proves_nothing) {
  auto seen = only_finding(
      sender([](SampleBuilder& s, std::size_t) { s.set([](Sample& all) { all.self.lost["drops"] = 3; }); }));
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->confidence, Confidence::medium);
  EXPECT_FALSE(value_of(*seen, "dropped_here"));
  EXPECT_THAT(seen->meaning, HasSubstr("What this host drops was not all counted"));
  EXPECT_THAT(seen->meaning, testing::Not(HasSubstr("None of these")));
}

TEST(Dropped, where_the_hook_is_off_it_says_how_to_switch_it_on) {
  auto off = only_finding(sender(
      [](SampleBuilder& s, std::size_t) {
        s.set([](Sample& all) {
          FactCoverage& fact = all.coverage.emplace_back();
          fact.fact = FactId::drops;
          fact.attempts.push_back({.source = "tp_btf kfree_skb",
                                   .kind = SourceKind::hook,
                                   .outcome = AttemptOutcome::not_tried,
                                   .why_not = "not tried: --drops off",
                                   .cure = ""});
        });
      },
      false));
  ASSERT_TRUE(off);
  EXPECT_THAT(off->meaning, HasSubstr("leave --drops at auto"));
}

TEST(Dropped, another_namespace_of_this_host_may_be_the_one_that_drops) {
  auto finding = only_finding(sender([](SampleBuilder& s, std::size_t i) {
    Drops forwarded = netfilter(3 * i, false);  // from us, as the namespace of the host sees it
    forwarded.netns = 4'711;
    forwarded.peer = Endpoint::v4(10, 0, 0, 1, 0);
    s.add(forwarded);
  }));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "local-drop");
  EXPECT_THAT(finding->meaning, HasSubstr("in namespace"));
}

TEST(Dropped, handshakes_that_this_host_drops_are_no_fault_of_the_path) {
  auto outcome = judged("retrans-cc-qdisc",
                        a_window(11,
                                 [](SampleBuilder& s, std::size_t i) {
                                   s.cover("drops", "hook").counter("Tcp.ActiveOpens", 10 * i);
                                   s.add(Retransmits{.destination = peer(), .segments = {.syn = 2 * i}});
                                   s.add(netfilter(3 * i));
                                 }),
                        lab());
  auto finding = only_finding(outcome);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->topic, "local-drop");
  EXPECT_EQ(finding->scope.remote, "10.0.9.2");
  EXPECT_THAT(finding->meaning, HasSubstr("NETFILTER_DROP"));
}

// ---- listeners ----

Drops to_port(std::uint16_t port, const std::string& reason, std::uint64_t segments) {
  Drops out;
  out.port = port;
  out.reason = reason;
  out.function = "tcp_v4_rcv";
  out.segments = segments;
  return out;
}

Window listener(const std::string& reason, std::uint64_t dropped, bool in_vain = false) {
  return a_window(8, [=](SampleBuilder& s, std::size_t i) {
    s.cover("drops", "hook").counter("TcpExt.ListenOverflows", 4);
    s.add(a_socket().listen(1'790, 0, 100).pid(31, "bgpd").drops(3 * i));
    s.add(to_port(1'790, reason, dropped * i));
    s.add(to_port(1'791, "TCP_MD5FAILURE", 9 * i));
    if (in_vain)
      s.add(FailedConnects{0, 32, "peer", Endpoint::v4(10, 0, 0, 1, 1'790), ConnectEnd::given_up, 14, 100, 700});
  });
}

TEST(Dropped, a_filter_on_a_listener_is_named) {
  auto finding = only_finding(judged("syn-drops-not-overflow", listener("SOCKET_FILTER", 3), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info) << "it may be meant so";
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_THAT(finding->title, HasSubstr("a filter on the socket discards them"));
  EXPECT_EQ(value_of(*finding, "refused_for_this_cause"), 21);
  auto harms = only_finding(judged("syn-drops-not-overflow", listener("SOCKET_FILTER", 3, true), Policy{}));
  ASSERT_TRUE(harms);
  EXPECT_EQ(harms->severity, Severity::warning);
}

TEST(Dropped, a_signature_is_told_by_the_packets_of_this_listener) {
  auto finding = only_finding(judged("syn-drops-not-overflow", listener("TCP_MD5NOTFOUND", 3), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_THAT(finding->title, HasSubstr("the MD5 signature is missing"));
}

TEST(Dropped, a_reason_that_explains_few_of_them_is_not_their_cause) {
  expect_unknown(judged("syn-drops-not-overflow", listener("SOCKET_FILTER", 1), Policy{}), "nothing tells");
}

// ---- other queues ----

TEST(Dropped, of_a_full_backlog_it_says_from_where_the_segments_came) {
  auto finding = only_finding(judged("tcp-backlog-drop",
                                     a_window(9,
                                              [](SampleBuilder& s, std::size_t i) {
                                                s.cover("drops", "hook");
                                                s.counter("TcpExt.TCPBacklogDrop", 4 * i);
                                                Drops drops = netfilter(4 * i, false);
                                                drops.reason = "SOCKET_BACKLOG";
                                                s.add(drops);
                                              }),
                                     Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "told_by_address"), 32);
}

TEST(Dropped, of_a_processors_queue_it_says_how_many_were_of_tcp) {
  auto judge = [](std::uint64_t of_tcp) {
    return only_finding(judged("softnet-drop",
                               a_window(11,
                                        [=](SampleBuilder& s, std::size_t i) {
                                          s.cover("drops", "hook").counter("Tcp.RetransSegs", 5 * i);
                                          Drops drops = netfilter(of_tcp * i, false);
                                          drops.reason = "CPU_BACKLOG";
                                          s.add(drops);
                                          s.set([&](Sample& all) {
                                            auto n = static_cast<std::uint32_t>(i);
                                            all.softnet = {{.cpu = 0, .processed = 1'000 * n, .dropped = 40 * n}};
                                          });
                                        }),
                               Policy{}));
  };
  auto tcp = judge(20);
  ASSERT_TRUE(tcp);
  EXPECT_EQ(value_of(*tcp, "of_these_tcp"), 200);
  EXPECT_EQ(tcp->severity, Severity::warning);
  auto others = judge(0);
  ASSERT_TRUE(others);
  EXPECT_EQ(others->severity, Severity::info);
  EXPECT_THAT(others->confidence_why, HasSubstr("none of them was a TCP segment"));
}

TEST(Dropped, what_is_told_no_more_and_comes_again_begins_at_zero) {
  Window window = a_window(6, [](SampleBuilder& s, std::size_t i) {
    if (i != 2) s.add(netfilter(i < 2 ? 10 + 5 * i : i));  // 10, 15, none, 3, 4, 5
  });
  EXPECT_EQ(window.increase(window.latest().drops.front()), 5u + 5u);
}

}  // namespace
}  // namespace tcpadvisor::dropped_test
