// SPDX-License-Identifier: Apache-2.0
// Connections that this host opens: local ports that run out, and attempts that fail.
#include <functional>
#include <set>

#include "advisor/rules/attempts.h"
#include "tests/unit/expect.h"

namespace tcpadvisor::connects_test {
namespace {

using build::a_socket;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

const Endpoint kHere = Endpoint::v4(10, 0, 0, 1, 0), kBackend = Endpoint::v4(10, 0, 0, 9, 8080);
constexpr std::uint64_t kPorts = 60'999 - 32'768 + 1;

Window with(const std::function<void(SampleBuilder&)>& fill, std::size_t samples = 5) {
  return a_window(samples, [&](SampleBuilder& sample, std::size_t) { fill(sample); });
}

Window ports_in_use(std::uint64_t used, std::uint64_t timewait) {
  return with([=](SampleBuilder& s) { s.add(PortUse{0, kHere, kBackend, used, timewait}); });
}

std::string all_text(const Finding& finding) {
  std::string text = finding.title + "\n" + finding.meaning + "\n" + finding.recommendation.text;
  for (const std::string& step : finding.recommendation.steps) text += "\n" + step;
  return text;
}

TEST(PortExhaustion, fires_when_all_are_taken_and_says_what_to_do_in_which_order) {
  auto finding = only_finding(judged("port-exhaustion", ports_in_use(kPorts, kPorts), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(finding->finding_class, FindingClass::capacity);
  EXPECT_EQ(finding->scope.remote, "10.0.0.9:8080");
  EXPECT_EQ(finding->scope.count, kPorts);
  EXPECT_EQ(value_of(*finding, "ports_available"), static_cast<double>(kPorts));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Reuse connections"));
  EXPECT_THAT(all_text(*finding), HasSubstr("tcp_tw_reuse=1 (now 2: for loopback only)"));
  EXPECT_THAT(all_text(*finding), HasSubstr("IP_BIND_ADDRESS_NO_PORT"));
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.ip_local_port_range");
  EXPECT_EQ(values_text(finding->recommendation.change->target), "15000 60999");
}

/// Of the ports of kHere, bind() chose so many; some destination has a part of them.
Window bound(std::uint64_t used, std::uint64_t timewait = 0) {
  return with([=](SampleBuilder& s) {
    s.add(PortUse{0, kHere, Endpoint{}, used, timewait}).add(PortUse{0, kHere, kBackend, used * 9 / 10, timewait});
    SocketRow row = a_socket().pid(12, "crawler");
    row.local = kHere;
    row.local.port = 40'000;
    row.remote = kBackend;
    s.add(row);
  });
}

TEST(PortExhaustion, ports_that_bind_chose_are_used_up_for_all_destinations_together) {
  auto finding = only_finding(judged("port-exhaustion", bound(kPorts), Policy{}));  // and not once more for the backend
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(finding->finding_class, FindingClass::application);
  EXPECT_EQ(finding->scope.pid, 12u);
  EXPECT_EQ(finding->scope.local, "10.0.0.1");
  EXPECT_EQ(finding->scope.remote, "");
  EXPECT_EQ(finding->scope.count, kPorts);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding->recommendation.text, testing::StartsWith("Set IP_BIND_ADDRESS_NO_PORT"));
  EXPECT_THAT(finding->meaning, HasSubstr("EADDRINUSE"));
  auto near = only_finding(judged("port-exhaustion", bound(kPorts * 85 / 100), Policy{}));
  ASSERT_TRUE(near);
  EXPECT_EQ(near->severity, Severity::warning);
  expect_fine(judged("port-exhaustion", bound(kPorts * 7 / 10), Policy{}));
}

TEST(PortExhaustion, bind_takes_no_port_in_time_wait_again) {
  Window window = with([](SampleBuilder& s) {
    s.sysctl("net.ipv4.tcp_tw_reuse", {1}).add(PortUse{0, kHere, Endpoint{}, kPorts, kPorts});
  });
  EXPECT_TRUE(only_finding(judged("port-exhaustion", window, Policy{})));
}

TEST(PortExhaustion, warns_from_the_share_on_and_not_before) {
  auto at = [](double share) { return static_cast<std::uint64_t>(share * static_cast<double>(kPorts)); };
  auto finding = only_finding(judged("port-exhaustion", ports_in_use(at(0.81), at(0.7)), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  expect_fine(judged("port-exhaustion", ports_in_use(at(0.79), at(0.7)), Policy{}));
  expect_fine(judged("port-exhaustion", ports_in_use(0, 0), Policy{}));
  expect_fine(judged("port-exhaustion", with([](SampleBuilder&) {}), Policy{}));
}

TEST(PortExhaustion, open_connections_are_a_pool_or_a_leak_and_reuse_of_time_wait_does_not_help) {
  Window window = with([](SampleBuilder& s) {
    s.add(PortUse{0, kHere, kBackend, kPorts - 100, 50});
    s.add(a_socket().established().local(Endpoint::v4(10, 0, 0, 1, 40'000)).remote(kBackend).pid(77, "crawler"));
  });
  auto finding = only_finding(judged("port-exhaustion", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::application);
  EXPECT_EQ(finding->scope.pid, 77u);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("crawler[77] holds 28,082 open connections"));
  EXPECT_THAT(all_text(*finding), Not(HasSubstr("tcp_tw_reuse=1")));
  EXPECT_EQ(finding->not_useful.front().knob, "net.ipv4.tcp_tw_reuse");
}

TEST(PortExhaustion, reserved_ports_and_those_that_listen_are_not_available) {
  auto window = [](std::uint64_t used) {
    return with([=](SampleBuilder& s) {
      s.sysctl("net.ipv4.ip_local_port_range", {20'000, 20'999});
      s.host_ns().sysctls["net.ipv4.ip_local_reserved_ports"].text = "80,20000-20099,20500";
      s.set([](Sample& sample) {
        for (std::uint16_t port : {443, 20'600, 20'601}) {
          PortTotals totals;
          totals.netns = kHostNetns, totals.port = port;
          sample.ports.push_back(totals);
        }
      });
      s.add(PortUse{0, kHere, kBackend, used, used});
    });
  };
  auto finding = only_finding(judged("port-exhaustion", window(897), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "ports_available"), 897);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(only_finding(judged("port-exhaustion", window(800), Policy{}))->severity, Severity::warning);
}

TEST(PortExhaustion, a_wider_range_says_which_listeners_to_reserve_first) {
  Window window = with([](SampleBuilder& s) {
    s.set([](Sample& sample) {
      PortTotals totals;
      totals.netns = kHostNetns, totals.port = 18'080;
      sample.ports.push_back(totals);
    });
    s.add(PortUse{0, kHere, kBackend, kPorts, kPorts});
  });
  auto finding = only_finding(judged("port-exhaustion", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_THAT(all_text(*finding), HasSubstr("ip_local_reserved_ports = 18080"));
}

TEST(PortExhaustion, where_the_range_is_wide_already_reuse_is_the_setting) {
  Window window = with([](SampleBuilder& s) {
    s.sysctl("net.ipv4.ip_local_port_range", {10'000, 65'535});
    s.add(PortUse{0, kHere, kBackend, 55'536, 55'000});
  });
  auto finding = only_finding(judged("port-exhaustion", window, Policy{}));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.ipv4.tcp_tw_reuse");
  EXPECT_EQ(values_text(finding->recommendation.change->target), "1");
}

/// On loopback the kernel takes ports in TIME_WAIT again by default, elsewhere with tcp_tw_reuse = 1.
TEST(PortExhaustion, ports_in_time_wait_that_are_taken_again_are_no_shortage) {
  const Endpoint local = Endpoint::v4(127, 0, 0, 1, 0), service = Endpoint::v4(127, 0, 0, 1, 80);
  auto loopback = [&](std::int64_t timestamps, std::uint64_t failures) {
    return with([=](SampleBuilder& s) {
      s.sysctl("net.ipv4.tcp_timestamps", {timestamps}).add(PortUse{0, local, service, kPorts, kPorts - 10});
      if (failures > 0) s.add(FailedConnects{0, 42, "ab", service, ConnectEnd::no_port, failures, 20, 0});
    });
  };
  expect_fine(judged("port-exhaustion", loopback(1, 0), Policy{}));
  EXPECT_EQ(judged("port-exhaustion", loopback(0, 0), Policy{}).findings.size(), 1u);
  EXPECT_EQ(judged("port-exhaustion", loopback(1, 30), Policy{}).findings.size(), 1u) << "more than one range a second";
  Window reused = with([](SampleBuilder& s) {
    s.sysctl("net.ipv4.tcp_tw_reuse", {1}).add(PortUse{0, kHere, kBackend, kPorts, kPorts - 10});
  });
  expect_fine(judged("port-exhaustion", reused, Policy{}));
}

TEST(PortExhaustion, names_who_was_turned_away) {
  Window window = with([](SampleBuilder& s) {
    s.add(PortUse{0, kHere, kBackend, kPorts - 1000, kPorts - 1000});
    s.add(FailedConnects{0, 42, "poller", kBackend, ConnectEnd::no_port, 31, 20, 0});
    s.add(FailedConnects{0, 43, "other", Endpoint::v4(10, 0, 0, 9, 8081), ConnectEnd::no_port, 99, 20, 0});
  });
  auto finding = only_finding(judged("port-exhaustion", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical) << "they fail, so they are used up";
  EXPECT_EQ(finding->scope.pid, 42u);
  EXPECT_EQ(value_of(*finding, "connects_without_port"), 31);
  Outcome told = judged("connects-fail", with([](SampleBuilder& s) {
                          s.add(PortUse{0, kHere, kBackend, kPorts, kPorts});
                          s.add(FailedConnects{0, 42, "poller", kBackend, ConnectEnd::no_port, 400, 20, 0});
                        }),
                        Policy{});
  EXPECT_TRUE(told.findings.empty()) << "one fault is one finding";
  EXPECT_EQ(told.fine_metric, "") << "but it is not fine";
}

TEST(PortExhaustion, is_not_fine_where_the_range_or_a_destination_was_not_read) {
  expect_unknown(
      judged("port-exhaustion",
             with([](SampleBuilder& s) { s.host_ns().sysctls.erase("net.ipv4.ip_local_port_range"); }), Policy{}),
      "ip_local_port_range of namespace host was not read");
  expect_unknown(judged("port-exhaustion", with([](SampleBuilder& s) {
                          s.set([](Sample& sample) { sample.self.lost["destinations_uncounted"] = 12; });
                        }),
                        Policy{}),
                 "12 connections");
}

/// TIME_WAIT at a server's port needs no local port: the walk counts none, and so it stays normal.
TEST(PortExhaustion, decides_whether_time_wait_is_normal) {
  auto normal = judged("do-nothing", with([](SampleBuilder& s) {
                         s.count(TcpState::time_wait, 20'000).add(PortUse{0, kHere, kBackend, 900, 900});
                       }),
                       Policy{});
  ASSERT_EQ(normal.findings.size(), 1u);
  EXPECT_EQ(normal.findings.front().topic, "time-wait");
  EXPECT_EQ(value_of(normal.findings.front(), "ports_used_towards_one_destination"), 900);
  auto not_normal = judged("do-nothing", with([](SampleBuilder& s) {
                             s.count(TcpState::time_wait, 28'000).add(PortUse{0, kHere, kBackend, 28'000, 28'000});
                           }),
                           Policy{});
  EXPECT_TRUE(not_normal.findings.empty());
}

// ---- attempts ----

FailedConnects failed(ConnectEnd end, std::uint64_t count, std::uint64_t waited_ms = 0, const Endpoint& to = kBackend) {
  return {kHostNetns, 42, "client", to, end, count, 100, waited_ms};
}

Outcome judged_failing(const FailedConnects& one) {
  return judged("connects-fail", with([&](SampleBuilder& s) { s.add(one); }), Policy{});
}

TEST(ConnectsFail, each_way_to_fail_has_its_own_answer) {
  std::set<std::string> topics, cures;
  for (auto [end, waited_ms] : {std::pair{ConnectEnd::refused, 0},
                                {ConnectEnd::timed_out, 3'000},
                                {ConnectEnd::unreachable, 0},
                                {ConnectEnd::given_up, 1'000},
                                {ConnectEnd::no_port, 0},
                                {ConnectEnd::other, 0}}) {
    auto finding = only_finding(judged_failing(failed(end, 20, static_cast<std::uint64_t>(waited_ms))));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::warning);
    EXPECT_EQ(finding->scope.pid, 42u);
    EXPECT_EQ(finding->scope.remote, "10.0.0.9:8080");
    EXPECT_EQ(finding->scope.count, 20u);
    EXPECT_THAT(finding->title, HasSubstr("client[42] cannot connect to 10.0.0.9:8080: 20 attempts"));
    EXPECT_THAT(all_text(*finding), Not(HasSubstr("{")));
    topics.insert(finding->topic);
    cures.insert(finding->recommendation.text);
  }
  EXPECT_EQ(topics.size(), 6u);
  EXPECT_EQ(cures.size(), 6u);
}

TEST(ConnectsFail, says_after_which_time_the_program_gave_up) {
  auto finding = only_finding(judged_failing(failed(ConnectEnd::given_up, 6, 1'000)));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("given up by the program after 1 s"));
  EXPECT_EQ(finding->finding_class, FindingClass::network_path);
}

TEST(ConnectsFail, a_queue_that_overflowed_meanwhile_is_no_trouble_of_the_path) {
  auto overflowing = [](std::uint64_t step) {
    return a_window(5, [=](SampleBuilder& sample, std::size_t i) {
      sample.add(a_socket().listen(8080, 0, 8).pid(7, "server").drops(step * i));
      sample.counter("TcpExt.ListenOverflows", step * i);
      sample.add(failed(ConnectEnd::given_up, 20, 800, Endpoint::v4(10, 0, 0, 1, 8080)));
    });
  };
  auto finding = only_finding(judged("connects-fail", overflowing(10), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::application);
  EXPECT_THAT(finding->title, HasSubstr("full at times"));
  auto empty = only_finding(judged("connects-fail", overflowing(0), Policy{}));
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->finding_class, FindingClass::network_path);
}

TEST(ConnectsFail, few_are_no_topic_and_what_was_cancelled_at_once_did_not_fail) {
  expect_fine(judged_failing(failed(ConnectEnd::refused, 4)));
  expect_fine(judged_failing(failed(ConnectEnd::given_up, 100, 250)));
  expect_fine(judged("connects-fail", with([](SampleBuilder&) {}), Policy{}));
  EXPECT_EQ(judged_failing(failed(ConnectEnd::refused, 5)).findings.size(), 1u);
}

TEST(ConnectsFail, what_waits_in_syn_sent_is_a_black_hole_before_any_attempt_has_ended) {
  auto waiting = [](std::uint32_t count, std::chrono::milliseconds age) {
    return with([=](SampleBuilder& s) {
      s.add(count, a_socket().state(TcpState::syn_sent).age(age).pid(9, "backup"));
      s.set([](Sample& sample) {
        for (SocketRow& row : sample.sockets) {
          row.local.port = row.remote.port;
          row.remote = kBackend;
        }
      });
    });
  };
  using namespace std::chrono_literals;
  auto finding = only_finding(judged("connects-fail", waiting(8, 4'000ms), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->topic, "no-answer");
  EXPECT_EQ(finding->scope.pid, 9u);
  EXPECT_EQ(value_of(*finding, "waiting_in_syn_sent"), 8);
  EXPECT_EQ(only_finding(judged("connects-fail", waiting(1, 4'000ms), Policy{}))->severity, Severity::info);
  EXPECT_TRUE(judged("connects-fail", waiting(8, 2'000ms), Policy{}).findings.empty()) << "one retry may be lost";
}

TEST(ConnectsFail, nothing_listens_on_this_host_is_the_applications_affair) {
  auto finding = only_finding(judged_failing(failed(ConnectEnd::refused, 20, 0, Endpoint::v4(127, 0, 0, 1, 6379))));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->finding_class, FindingClass::application);
  EXPECT_EQ(only_finding(judged_failing(failed(ConnectEnd::refused, 20)))->finding_class, FindingClass::peer);
}

TEST(ConnectsFail, a_port_that_is_open_on_another_address_of_this_host_is_named_with_who_listens) {
  auto refused_at = [](const Endpoint& listens) {
    return only_finding(judged("connects-fail", with([&](SampleBuilder& s) {
                                 s.add(failed(ConnectEnd::refused, 20, 0, Endpoint::v4(127, 0, 0, 9, 8207)));
                                 s.add(a_socket().cookie(9).listen(8207, 0, 64).local(listens).pid(7, "server"));
                               }),
                               Policy{}));
  };
  auto finding = refused_at(Endpoint::v4(127, 0, 0, 1, 8207));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("server[7] listens on this port at 127.0.0.1:8207."));
  EXPECT_THAT(finding->recommendation.text,
              HasSubstr("Connect to 127.0.0.1:8207, or let server[7] listen at 127.0.0.9"));
  EXPECT_THAT(refused_at(Endpoint::v4(127, 0, 0, 9, 8207))->meaning, HasSubstr("Nothing listens at 127.0.0.9:8207"))
      << "it has begun to listen since";
}

TEST(ConnectsFail, no_way_into_the_ipv6_world_is_no_fault_of_a_program_that_goes_on_with_ipv4) {
  const std::array<std::uint8_t, 16> far = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  FailedConnects first = failed(ConnectEnd::unreachable, 500, 0, Endpoint::from_bytes(far, 443));
  auto with_ipv4 = [&](std::uint16_t port) {
    return only_finding(judged("connects-fail", with([&](SampleBuilder& s) {
                                 s.add(first).add(PortUse{0, kHere, Endpoint::v4(10, 0, 0, 9, port), 3, 3});
                               }),
                               Policy{}));
  };
  EXPECT_EQ(with_ipv4(443)->severity, Severity::info);
  EXPECT_EQ(with_ipv4(80)->severity, Severity::warning);
}

/// `tried` attempts at ::1, while the server listens on 127.0.0.1 alone; `came_about` others succeed meanwhile.
Outcome localhost(std::uint64_t tried, std::uint64_t came_about) {
  const std::array<std::uint8_t, 16> loopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const Endpoint far = Endpoint::from_bytes(loopback, 8080);
  Window window = a_window(6, [&](SampleBuilder& s, std::size_t i) {
    s.add(failed(ConnectEnd::refused, tried, 0, far));
    s.add(a_socket().cookie(9).listen(8080, 0, 64).local(Endpoint::v4(127, 0, 0, 1, 8080)).pid(7, "server"));
    if (came_about > 0) s.add(PortUse{0, Endpoint::v4(127, 0, 0, 1, 0), Endpoint::v4(127, 0, 0, 1, 8080), 5, 4});
    s.counter("Tcp.ActiveOpens", (tried + came_about) * i / 5).counter("Tcp.AttemptFails", tried * i / 5);
  });
  return judged("connects-fail", window, Policy{});
}

TEST(ConnectsFail, a_program_that_tries_both_kinds_of_localhost_loses_nothing) {
  auto finding = only_finding(localhost(100, 100));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_THAT(finding->confidence_why, HasSubstr("goes on with IPv4"));
}

TEST(ConnectsFail, one_that_only_tries_the_wrong_kind_of_localhost_is_told_where_the_server_listens) {
  for (std::uint64_t of_others : {0, 20}) {
    auto finding = only_finding(localhost(100, of_others));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->severity, Severity::warning);
    EXPECT_THAT(finding->meaning, HasSubstr("by IPv4 only"));
    EXPECT_THAT(finding->recommendation.text, HasSubstr("bind to [::]"));
  }
}

TEST(ConnectsFail, attempts_from_before_the_hooks_belong_to_the_only_one_who_tries_the_same) {
  FailedConnects nobodys = failed(ConnectEnd::timed_out, 6), own = failed(ConnectEnd::timed_out, 4, 3'000);
  nobodys.pid = 0, nobodys.comm = "";
  auto finding =
      only_finding(judged("connects-fail", with([&](SampleBuilder& s) { s.add(nobodys).add(own); }), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 42u);
  EXPECT_EQ(finding->scope.count, 10u);
  FailedConnects another = own;
  another.pid = 43, another.comm = "other";
  EXPECT_EQ(judged("connects-fail", with([&](SampleBuilder& s) { s.add(nobodys).add(own).add(another); }), Policy{})
                .findings.size(),
            1u)
      << "of two nobody knows whose they were";
}

TEST(ConnectsFail, attempts_from_before_the_hooks_belong_to_the_only_one_who_is_at_it_again) {
  using namespace std::chrono_literals;
  FailedConnects nobodys = failed(ConnectEnd::timed_out, 8, 3'000);
  nobodys.pid = 0, nobodys.comm = "";
  auto trying = [&](std::vector<std::pair<Pid, std::string>> who) {
    return only_finding(judged("connects-fail", with([&](SampleBuilder& s) {
                                 s.add(nobodys);
                                 for (const auto& [pid, comm] : who) {
                                   s.add(a_socket().state(TcpState::syn_sent).age(500ms).pid(pid, comm));
                                 }
                                 s.set([](Sample& sample) {
                                   for (SocketRow& row : sample.sockets) row.remote = kBackend;
                                 });
                               }),
                               Policy{}));
  };
  auto finding = trying({{9, "backup"}});
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 9u);
  EXPECT_EQ(finding->scope.count, 8u) << "the new ones have not failed yet";
  EXPECT_THAT(finding->title, HasSubstr("backup[9] cannot connect"));
  EXPECT_FALSE(trying({{9, "backup"}, {10, "other"}})->scope.pid) << "of two nobody knows whose they were";
  EXPECT_FALSE(trying({})->scope.pid);
}

TEST(ConnectsFail, without_hooks_only_the_counter_knows_and_it_is_said) {
  Window window = a_window(
      5, [](SampleBuilder& s, std::size_t i) { s.cover("connects", "derived").counter("Tcp.AttemptFails", 10 * i); });
  Outcome outcome = judged("connects-fail", window, Policy{});
  ASSERT_EQ(outcome.findings.size(), 1u);
  EXPECT_EQ(outcome.findings.front().topic, "unseen");
  EXPECT_EQ(outcome.findings.front().confidence, Confidence::low);
  EXPECT_THAT(outcome.not_assessed, HasSubstr("attempts that have ended are not seen"));
  expect_unknown(judged("connects-fail", with([](SampleBuilder& s) { s.cover("connects", "derived"); }), Policy{}),
                 "attempts that have ended are not seen");
}

TEST(ConnectsFail, a_script_that_starts_a_process_for_each_attempt_is_one_finding) {
  Window window = with([](SampleBuilder& s) {
    for (Pid pid = 100; pid < 112; ++pid)
      s.add(FailedConnects{0, pid, "curl", kBackend, ConnectEnd::given_up, 1, 5'000, 1'000});
  });
  auto finding = only_finding(judged("connects-fail", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("curl (12 processes) cannot connect to 10.0.0.9:8080: 12 attempts"));
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->scope.comm, "curl");
}

TEST(ConnectsFail, what_was_lost_makes_it_unknown) {
  expect_unknown(judged("connects-fail", with([](SampleBuilder& s) {
                          s.set([](Sample& sample) { sample.self.lost["failed_connects"] = 3; });
                        }),
                        Policy{}),
                 "3 failed attempts were not counted");
}

}  // namespace
}  // namespace tcpadvisor::connects_test
