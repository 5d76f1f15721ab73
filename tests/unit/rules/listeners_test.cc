// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::listeners_test {
namespace {

using namespace std::chrono_literals;
using build::a_socket;
using build::a_window;
using build::kHostNetns;
using build::SampleBuilder;
using testing::HasSubstr;

void listener(SampleBuilder& sample, std::uint32_t queue, std::uint32_t limit, std::uint64_t drops) {
  sample.add(a_socket().listen(80, queue, limit).pid(31, "web").drops(drops));
  sample.counter("TcpExt.ListenOverflows", drops);
}

TEST(AcceptQueueAppSlow, fires_when_full_and_dropping) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    listener(sample, 65, 64, 100 * i);
    sample.counter("Tcp.PassiveOpens", 20 * i);
  });
  auto finding = only_finding(judged("accept-queue-app-slow", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 31u);
  EXPECT_EQ(finding->scope.local, "0.0.0.0:80");
  EXPECT_EQ(value_of(*finding, "drops"), 700);
  EXPECT_EQ(value_of(*finding, "accept_queue_full"), 1);
  EXPECT_EQ(value_of(*finding, "established_in_netns"), 20);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  expect_fine(judged("backlog-too-small", a_window(8, [](SampleBuilder& s, std::size_t) { listener(s, 65, 64, 5); }),
                     Policy{}));
}

TEST(AcceptQueueAppSlow, a_full_queue_that_drops_nothing_is_not_reported) {
  expect_fine(judged("accept-queue-app-slow",
                     a_window(8, [](SampleBuilder& s, std::size_t) { listener(s, 64, 64, 7); }), Policy{}));
}

TEST(AcceptQueueAppSlow, needs_three_seconds_and_half_of_the_samples) {
  expect_fine(
      judged("accept-queue-app-slow",
             a_window(8, [](SampleBuilder& s, std::size_t i) { listener(s, i >= 4 && i < 7 ? 65 : 0, 64, 10 * i); }),
             Policy{}));
  EXPECT_TRUE(only_finding(
      judged("accept-queue-app-slow",
             a_window(8, [](SampleBuilder& s, std::size_t i) { listener(s, i >= 3 && i < 7 ? 65 : 0, 64, 10 * i); }),
             Policy{})));
}

TEST(AcceptQueueAppSlow, clears) {
  expect_fine(
      judged("accept-queue-app-slow",
             a_window(12, [](SampleBuilder& s,
                             std::size_t i) { listener(s, i < 4 ? 65 : 0, 64, 10 * std::min<std::size_t>(i, 4)); }),
             Policy{}));
}

TEST(AcceptQueueAppSlow, without_own_drops_it_uses_the_namespace_and_is_less_sure) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(80, 65, 64).pid(31, "web")).counter("TcpExt.ListenOverflows", 10 * i);
  });
  auto finding = only_finding(judged("accept-queue-app-slow", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(Listeners, are_not_assessed_where_the_limit_is_not_visible) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    sample.cover("snapshot", "/proc/net/tcp");
    sample.add(a_socket().listen(80, 0, 0).set([](SocketRow& row) { row.accept_limit.reset(); }));
  });
  expect_unknown(judged("accept-queue-app-slow", window, lab()), "1 listener not visible through /proc/net/tcp");
  expect_unknown(judged("backlog-too-small", window, lab()), "1 listener not visible through /proc/net/tcp");
}

TEST(Listeners, are_not_assessed_without_the_fact) {
  Window window = a_window(3, [](SampleBuilder& sample, std::size_t) { sample.cover("accept-queue", ""); });
  expect_unknown(judged("accept-queue-app-slow", window, lab()), "does not show accept queues");
  expect_unknown(judged("backlog-too-small", window, lab()), "does not show accept queues");
}

TEST(Listeners, none_at_all_is_fine) {
  Window window = a_window(3, [](SampleBuilder&, std::size_t) {});
  expect_fine(judged("accept-queue-app-slow", window, lab()));
  expect_fine(judged("backlog-too-small", window, lab()));
}

/// One burst of 347 drops between samples 4 and 5, the queue of 8 almost empty at every sample.
Window burst(std::int64_t somaxconn, std::size_t listeners = 1) {
  return a_window(10, [=](SampleBuilder& sample, std::size_t i) {
    listener(sample, 0, 8, i < 5 ? 0 : 347);
    if (listeners > 1) sample.add(a_socket().cookie(2).listen(81, 0, 128).pid(32, "other").drops(0));
    sample.sysctl("net.core.somaxconn", {somaxconn});
  });
}

TEST(BacklogTooSmall, asks_the_application_when_it_asked_for_too_little) {
  auto finding = only_finding(judged("backlog-too-small", burst(4096), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding->recommendation.formula,
              HasSubstr("pow2ceil(1.5 x (8 places + 347 dropped in the worst 1 s)) = 1,024"));
  EXPECT_EQ(finding->not_useful.back().knob, "net.core.somaxconn") << "the kernel allows 4096 already";
  expect_fine(judged("accept-queue-app-slow", burst(4096), lab()));
}

TEST(BacklogTooSmall, raises_somaxconn_when_that_is_the_cap) {
  auto finding = only_finding(judged("backlog-too-small", burst(8, 2), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::sysctl);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(finding->recommendation.change->knob, "net.core.somaxconn");
  EXPECT_EQ(values_text(finding->recommendation.change->current), "8");
  EXPECT_EQ(values_text(finding->recommendation.change->target), "1024");
}

TEST(BacklogTooSmall, a_container_keeps_somaxconn_by_what_starts_it) {
  constexpr NetnsId kContainer = 4026532999;
  Window window = a_window(10, [=](SampleBuilder& sample, std::size_t i) {
    sample.set([&](Sample& s) {
      NetnsSample& netns = s.netns.emplace_back(s.netns.front());
      netns.id = kContainer;
      netns.name = "pid:4711";
      netns.is_host = false;
      netns.counters["TcpExt.ListenOverflows"] = i < 5 ? 0 : 115;
      netns.sysctls["net.core.somaxconn"].values = {16};
    });
    sample.add(a_socket().listen(9039, 0, 16).netns(kContainer).pid(31, "app").drops(i < 5 ? 0 : 115));
  });
  auto finding = only_finding(judged("backlog-too-small", window, lab()));
  ASSERT_TRUE(finding);
  ASSERT_TRUE(finding->recommendation.change);
  EXPECT_EQ(text_of(*finding->recommendation.change).apply, "nsenter -t 4711 -n sysctl -w net.core.somaxconn=256");
  EXPECT_THAT(finding->recommendation.steps,
              testing::Contains(HasSubstr("by what starts the container (docker run --sysctl")));
}

TEST(BacklogTooSmall, needs_drops) {
  expect_fine(
      judged("backlog-too-small", a_window(10, [](SampleBuilder& s, std::size_t) { listener(s, 0, 8, 347); }), lab()));
}

TEST(BacklogTooSmall, is_less_sure_where_the_queue_is_neither_full_nor_idle) {
  auto drops = [](std::uint32_t queue) {
    return judged("backlog-too-small",
                  a_window(10, [=](SampleBuilder& s, std::size_t i) { listener(s, i % 3 ? 0 : queue, 8, i); }), lab());
  };
  for (std::uint32_t queue : {4u, 8u}) {
    auto finding = only_finding(drops(queue));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->confidence, Confidence::low);
    EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  }
  EXPECT_EQ(only_finding(drops(1))->confidence, Confidence::medium);  // below a quarter it is idle
}

TEST(BacklogTooSmall, does_not_guess_which_listener_dropped) {
  Window window = a_window(10, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(80, 0, 8))
        .add(a_socket().cookie(2).listen(81, 0, 8))
        .counter("TcpExt.ListenOverflows", i);
  });
  expect_unknown(judged("backlog-too-small", window, lab()), "does not tell which of 2 listeners");
}

TEST(BacklogTooSmall, stays_within_bounds) {
  auto finding = only_finding(
      judged("backlog-too-small",
             a_window(10, [](SampleBuilder& s, std::size_t i) { listener(s, 0, 4096, i < 5 ? 0 : 900'000); }), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(values_text(finding->recommendation.change->target), "65535");
}

// ---- syn-drops-not-overflow ----

Window refusing(const char* counter) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(1790, 0, 100).pid(31, "bgpd").drops(3 * i));
    sample.counter("TcpExt.ListenOverflows", 4).counter(counter, 3 * i);
  });
}

TEST(SynDropsNotOverflow, names_the_counter_that_tells_why_and_no_backlog) {
  auto finding = only_finding(judged("syn-drops-not-overflow", refusing("TcpExt.TCPMD5NotFound"), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("the MD5 signature is missing"));
  EXPECT_EQ(value_of(*finding, "refused_for_this_cause"), 21);
  expect_fine(judged("backlog-too-small", refusing("TcpExt.TCPMD5NotFound"), Policy{}));
}

TEST(SynDropsNotOverflow, of_an_unknown_cause_it_is_no_finding_and_not_fine) {
  expect_unknown(judged("syn-drops-not-overflow", refusing("TcpExt.Anything"), Policy{}),
                 "a scan, a filter or a fault");
}

TEST(SynDropsNotOverflow, of_several_it_names_the_one_that_refused_most_in_whatever_order_they_are_listed) {
  for (bool turned : {false, true}) {
    Window window = a_window(8, [=](SampleBuilder& sample, std::size_t i) {
      SocketRow few = a_socket().cookie(1).listen(80, 0, 100).pid(31, "web").drops(2 * i);
      SocketRow many = a_socket().cookie(2).listen(81, 0, 100).pid(32, "api").drops(10 * i);
      sample.add(turned ? many : few).add(turned ? few : many);
    });
    expect_unknown(judged("syn-drops-not-overflow", window, Policy{}), "70 segments for api[32] on port 81");
  }
}

TEST(SynDropsNotOverflow, syns_that_cannot_be_answered_are_told_by_listen_drops) {
  auto finding = only_finding(judged("syn-drops-not-overflow", refusing("TcpExt.ListenDrops"), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->title, HasSubstr("could not answer"));
}

TEST(SynDropsNotOverflow, connections_of_this_host_that_get_no_answer_make_it_a_finding) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(1790, 0, 100).pid(31, "bgpd").drops(3 * i));
    sample.add(a_socket().cookie(5).state(TcpState::syn_sent).remote(Endpoint::v4(10, 0, 0, 1, 1790)).pid(32, "peer"));
    sample.counter("TcpExt.ListenOverflows", 0);
  });
  auto finding = only_finding(judged("syn-drops-not-overflow", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
}

TEST(SynDropsNotOverflow, so_many_attempts_without_an_answer_are_a_fault_whatever_refuses_them) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(1790, 0, 100).pid(31, "bgpd").drops(3 * i));
    sample.add(FailedConnects{0, 32, "peer", Endpoint::v4(10, 0, 0, 1, 1790), ConnectEnd::given_up, 14, 100, 700});
    sample.add(FailedConnects{0, 33, "other", Endpoint::v4(10, 0, 0, 1, 1791), ConnectEnd::given_up, 90, 100, 700});
    sample.counter("TcpExt.ListenOverflows", 0);
  });
  auto finding = only_finding(judged("syn-drops-not-overflow", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(value_of(*finding, "attempts_without_answer"), 14);
}

TEST(SynDropsNotOverflow, what_defer_accept_waits_past_and_what_a_flood_fills_is_not_its_topic) {
  expect_fine(judged("syn-drops-not-overflow", refusing("TcpExt.TCPDeferAcceptDrop"), Policy{}));
  expect_fine(judged("syn-drops-not-overflow", refusing("TcpExt.TCPReqQFullDrop"), Policy{}));
}

TEST(SynDropsNotOverflow, a_counter_that_hardly_moved_explains_nothing) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_socket().listen(1790, 0, 100).pid(31, "bgpd").drops(30 * i));
    sample.counter("TcpExt.ListenOverflows", 0).counter("TcpExt.TCPMD5NotFound", i);
  });
  expect_unknown(judged("syn-drops-not-overflow", window, Policy{}), "nothing tells");
}

TEST(SynDropsNotOverflow, a_few_stray_segments_and_a_true_overflow_are_not_its_topic) {
  expect_fine(judged("syn-drops-not-overflow",
                     a_window(8,
                              [](SampleBuilder& sample, std::size_t i) {
                                sample.add(
                                    a_socket().listen(80, 0, 64).pid(31, "web").drops(std::min<std::size_t>(i, 4)));
                                sample.counter("TcpExt.ListenOverflows", 0);
                              }),
                     Policy{}));
  expect_fine(judged("syn-drops-not-overflow",
                     a_window(8, [](SampleBuilder& s, std::size_t i) { listener(s, 0, 64, 10 * i); }), Policy{}));
}

// ---- listener-never-accepts ----

Window with_queue(const std::vector<std::uint32_t>& lengths, std::uint64_t came = 0) {
  return a_window(lengths.size(), [=](SampleBuilder& sample, std::size_t i) {
    listener(sample, lengths[i], 64, 0);
    sample.counter("Tcp.PassiveOpens", i == 0 ? 0 : came);
  });
}

TEST(ListenerNeverAccepts, fires_when_a_queue_holds_connections_all_the_time) {
  auto finding = only_finding(judged("listener-never-accepts", with_queue({38, 38, 39, 40, 40, 40}, 2), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 31u);
  EXPECT_EQ(value_of(*finding, "fewest_waiting"), 38);
  EXPECT_EQ(finding->confidence, Confidence::high) << "who came is still in the queue";
}

PortTotals arrived_at(std::uint16_t port, std::uint32_t established, std::uint32_t time_wait) {
  PortTotals out{.netns = kHostNetns, .port = port};
  out.sockets[index_of(TcpState::established)] = established;
  out.sockets[index_of(TcpState::time_wait)] = time_wait;
  return out;
}

/// Five wait at each look, more come to the namespace, and somebody else listens on port 22.
Window beside_another(const std::vector<PortTotals>& ports) {
  return a_window(6, [&](SampleBuilder& sample, std::size_t i) {
    listener(sample, 5, 64, 0);
    sample.add(a_socket().cookie(22).listen(22, 0, 128).pid(22, "sshd"));
    sample.counter("Tcp.PassiveOpens", 8 * i);
    sample.set([&](Sample& s) { s.ports = ports; });
  });
}

TEST(ListenerNeverAccepts, is_less_sure_where_others_may_have_accepted_them) {
  for (const auto& ports : {std::vector<PortTotals>{}, {arrived_at(22, 1, 30)}}) {
    auto finding = only_finding(judged("listener-never-accepts", beside_another(ports), Policy{}));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->scope.pid, 31u);
    EXPECT_EQ(finding->confidence, Confidence::medium);
  }
}

TEST(ListenerNeverAccepts, a_server_that_takes_only_so_many_at_a_time_lets_the_others_wait_on_purpose) {
  expect_fine(judged("listener-never-accepts", with_queue({5, 5, 5, 5, 5}, 400), Policy{}));
  expect_fine(judged("listener-never-accepts", beside_another({arrived_at(22, 0, 0)}), Policy{}));
}

/// Five wait at each look, and the oldest `taken` of them are others than at the look before; another listener of the
/// namespace accepts as well.
Window moving_queue(std::size_t taken, bool rows = true) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
    listener(sample, 5, 64, 0);
    sample.add(a_socket().cookie(22).listen(22, 0, 128).pid(22, "sshd"));
    sample.counter("Tcp.PassiveOpens", 30 * i);
    sample.set([&](Sample& s) { s.ports = {arrived_at(22, 1, 30), arrived_at(80, 25, 9)}; });
    for (std::size_t k = 0; rows && k < 5; ++k) {
      SocketRow row = a_socket().cookie(1'000 + i * taken + k);
      row.owner.reset();
      row.holder = Holder::unaccepted;
      row.local = Endpoint::v4(10, 0, 0, 1, 80);
      row.remote.port = static_cast<std::uint16_t>(30'000 + i * taken + k);
      sample.add(row);
    }
  });
}

TEST(ListenerNeverAccepts, a_queue_in_which_others_wait_each_time_moves_beside_whatever_listener) {
  expect_fine(judged("listener-never-accepts", moving_queue(1), Policy{}));
  expect_fine(judged("listener-never-accepts", moving_queue(5), Policy{}));
  for (bool rows : {true, false}) {
    auto finding = only_finding(judged("listener-never-accepts", moving_queue(rows ? 0 : 5, rows), Policy{}));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->confidence, rows ? Confidence::high : Confidence::medium);
    EXPECT_THAT(finding->meaning, HasSubstr("It has 20 connections open that it took before")) << "a limit of its own";
  }
}

TEST(ListenerNeverAccepts, what_was_accepted_before_it_hung_does_not_clear_it) {
  std::vector<std::uint32_t> lengths(40, 6);
  lengths.front() = 0;
  auto finding = only_finding(judged("listener-never-accepts", with_queue(lengths, 400), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::high) << "nobody came in the last ten seconds";
}

TEST(ListenerNeverAccepts, a_queue_that_becomes_shorter_or_empty_or_has_two_in_it_is_fine) {
  expect_fine(judged("listener-never-accepts", with_queue({5, 6, 5, 6, 7}), Policy{}));
  expect_fine(judged("listener-never-accepts", with_queue({0, 3, 4, 5, 6}), Policy{}));
  expect_fine(judged("listener-never-accepts", with_queue({2, 2, 2, 2, 2}), Policy{}));
}

TEST(ListenerNeverAccepts, a_queue_that_was_emptied_long_ago_does_not_clear_it) {
  std::vector<std::uint32_t> lengths(60, 0);
  std::fill(lengths.begin() + 30, lengths.end(), 7);
  EXPECT_TRUE(only_finding(judged("listener-never-accepts", with_queue(lengths), Policy{})));
}

TEST(ListenerNeverAccepts, a_program_that_has_taken_none_may_have_inherited_the_listener) {
  auto with = [](std::uint32_t established) {
    return a_window(8, [established](SampleBuilder& sample, std::size_t) {
      listener(sample, 12, 128, 0);
      sample.add(build::a_process(31, "web").sockets(TcpState::listen, 1).sockets(TcpState::established, established));
    });
  };
  auto steps_of = [](const Outcome& outcome) {
    auto finding = only_finding(outcome);
    std::string out;
    for (const std::string& step : finding->recommendation.steps) out += step + "\n";
    return out;
  };
  EXPECT_THAT(steps_of(judged("listener-never-accepts", with(0), Policy{})), HasSubstr("inherited the listener"));
  EXPECT_THAT(steps_of(judged("listener-never-accepts", with(3), Policy{})),
              testing::Not(HasSubstr("inherited the listener")));
}

TEST(ListenerNeverAccepts, a_manager_alone_holds_it_for_a_service_that_does_not_run) {
  auto held_by = [](Pid pid, const char* comm) {
    return only_finding(judged("listener-never-accepts",
                               a_window(8,
                                        [=](SampleBuilder& sample, std::size_t) {
                                          sample.add(build::a_process(pid, comm).sockets(TcpState::listen, 1));
                                          sample.add(a_socket().listen(8'101, 10, 128).pid(pid, comm));
                                        }),
                               Policy{}));
  };
  auto finding = held_by(1, "systemd");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(finding->title, HasSubstr("The service of port 8101 does not run"));
  std::string said = finding->recommendation.text;
  for (const std::string& step : finding->recommendation.steps) said += "\n" + step;
  EXPECT_THAT(said, HasSubstr("systemctl list-sockets"));
  EXPECT_THAT(said, testing::Not(HasSubstr("end it")));
  // Process 1 of a container is the program itself, and an inetd accepts.
  for (auto [pid, comm] : {std::pair{1, "nginx"}, {77, "xinetd"}}) {
    auto own = held_by(static_cast<Pid>(pid), comm);
    ASSERT_TRUE(own);
    EXPECT_THAT(own->title, HasSubstr("does not accept on port 8101"));
  }
}

TEST(ListenerNeverAccepts, four_looks_are_too_few) {
  expect_unknown(judged("listener-never-accepts", with_queue({5, 5, 5, 5}), Policy{}), "not enough data");
}

}  // namespace
}  // namespace tcpadvisor::listeners_test
