// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::close_wait_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

const Endpoint kService = Endpoint::v4(127, 0, 0, 1, 8443);

SocketRow leaked(std::chrono::milliseconds age) {
  return a_socket().close_wait().age(age).pid(42, "api").local(kService).remote(Endpoint::v4(127, 0, 0, 1, 1));
}

/// `count` sockets of api[42], `old` of them older than the mark in the totals.
void leak(SampleBuilder& sample, std::uint32_t count, std::uint32_t old, std::chrono::milliseconds age) {
  sample.add(a_process(42, "api").close_wait(count, old).fds(count + 8, 1024)).add(count, leaked(age));
}

TEST(CloseWaitLeak, fires_with_owner_count_age_and_growth) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    leak(sample, static_cast<std::uint32_t>(43 + i), 43, 20s + 1s * i);
  });
  auto finding = only_finding(judged("close-wait-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->id, "close-wait-leak");
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_EQ(finding->scope.pid, 42u);
  EXPECT_EQ(finding->scope.count, 50u);
  EXPECT_EQ(finding->scope.local, "127.0.0.1:8443");
  EXPECT_EQ(finding->scope.remote, "127.0.0.1");
  EXPECT_EQ(value_of(*finding, "close_wait_sockets"), 50);
  EXPECT_EQ(value_of(*finding, "oldest_age"), 27);
  EXPECT_NEAR(*value_of(*finding, "close_wait_growth"), 60, 1e-6);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
}

TEST(CloseWaitLeak, requests_that_nobody_reads_may_be_a_hang) {
  auto with = [](std::uint32_t unread, bool accepted) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t) {
      SocketRow row = leaked(30s);
      row.recv_q = 18;
      sample.add(a_process(42, "api").close_wait(50, 50)).add(unread, row).add(50 - unread, leaked(30s), 500);
      if (accepted) sample.add(a_socket().cookie(1).listen(8443, 0, 128).pid(42, "api").drops(0));
    });
  };
  auto hangs = only_finding(judged("close-wait-leak", with(45, true), lab()));
  ASSERT_TRUE(hangs);
  EXPECT_EQ(hangs->scope.count, 50u);
  EXPECT_THAT(hangs->title, HasSubstr("neither reads nor closes 50 sockets"));
  EXPECT_THAT(hangs->recommendation.text, HasSubstr("whether it hangs"));
  EXPECT_THAT(hangs->recommendation.steps.front(), HasSubstr("/proc/42/wchan"));
  for (const Window& forgotten : {with(20, true), with(45, false)}) {
    auto forgets = only_finding(judged("close-wait-leak", forgotten, lab()));
    ASSERT_TRUE(forgets);
    EXPECT_THAT(forgets->title, HasSubstr("does not close 50 sockets"));
    EXPECT_THAT(forgets->recommendation.text, Not(HasSubstr("hangs")));
  }
}

TEST(CloseWaitLeak, counts_from_the_totals_when_rows_are_capped) {
  Window window = a_window(4, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_process(42, "api").close_wait(90'000, 90'000).fds(90'010, 100'000)).add(100, leaked(70s));
    sample.set([](Sample& s) { s.rows_suppressed = 89'900; });
  });
  auto finding = only_finding(judged("close-wait-leak", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 90'000u);
  EXPECT_EQ(finding->severity, Severity::critical) << "90 % of the descriptors";
}

TEST(CloseWaitLeak, needs_as_many_as_the_policy_says) {
  auto with = [](std::uint32_t count) {
    return a_window(5, [count](SampleBuilder& sample, std::size_t) { leak(sample, count, count, 30s); });
  };
  expect_fine(judged("close-wait-leak", with(9), lab()));
  EXPECT_TRUE(only_finding(judged("close-wait-leak", with(10), lab())));
}

TEST(CloseWaitLeak, needs_a_twentieth_of_a_large_process) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_process(42, "proxy").close_wait(40, 40).sockets(TcpState::established, 2000)).add(40, leaked(70s));
  });
  expect_fine(judged("close-wait-leak", window, Policy{}));
}

TEST(CloseWaitLeak, young_sockets_are_just_passing_through) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t i) { leak(sample, 50, 0, 300ms * i); });
  expect_fine(judged("close-wait-leak", window, lab()));
}

TEST(CloseWaitLeak, clears_when_they_are_closed) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t i) {
    if (i < 4) leak(sample, 50, 50, 30s);
  });
  expect_fine(judged("close-wait-leak", window, lab()));
}

TEST(CloseWaitLeak, a_falling_count_is_only_worth_a_word) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t i) {
    auto count = static_cast<std::uint32_t>(100 - 10 * i);
    leak(sample, count, count, 30s);
  });
  auto finding = only_finding(judged("close-wait-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
}

TEST(CloseWaitLeak, a_finalizer_closes_in_bursts_and_the_leak_stays) {
  static constexpr std::uint32_t kCounts[] = {80, 90, 100, 20, 30, 40};
  Window window = a_window(6, [](SampleBuilder& sample, std::size_t i) { leak(sample, kCounts[i], 15, 30s); });
  auto finding = only_finding(judged("close-wait-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->confidence_why, HasSubstr("finalizer"));
}

TEST(CloseWaitLeak, without_owners_it_fires_and_names_nobody) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    sample.cover("owners", "").cover("snapshot", "/proc/net/tcp");
    sample.add(50, a_socket().close_wait().holder(Holder::unknown));
  });
  auto finding = only_finding(judged("close-wait-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_FALSE(finding->scope.pid);
  EXPECT_EQ(finding->scope.kind, ScopeKind::netns);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->title, HasSubstr("cannot see"));
  EXPECT_EQ(value_of(*finding, "oldest_age_at_least"), 7);
}

TEST(CloseWaitLeak, sockets_that_outlived_a_short_look_are_not_called_fine) {
  Window window = a_window(10, [](SampleBuilder& sample, std::size_t) {
    sample.cover("owners", "").add(50, a_socket().close_wait().holder(Holder::unknown));
  });
  expect_unknown(judged("close-wait-leak", window, Policy{}), "observe for 1m");
}

TEST(CloseWaitLeak, is_not_assessed_without_a_snapshot_holders_or_samples) {
  Window blind = a_window(5, [](SampleBuilder& sample, std::size_t) { sample.cover("snapshot", ""); });
  expect_unknown(judged("close-wait-leak", blind, lab()), "no source lists the sockets");
  Window no_holders = a_window(5, [](SampleBuilder& sample, std::size_t) {
    sample.add(20, a_socket().close_wait().set([](SocketRow& row) { row.inode = 0; }));
  });
  expect_unknown(judged("close-wait-leak", no_holders, lab()), "no visible holder");
  Window capped = a_window(5, [](SampleBuilder& sample, std::size_t) {
    sample.cover("owners", "").count(TcpState::close_wait, 5000).set([](Sample& s) { s.rows_suppressed = 5000; });
  });
  expect_unknown(judged("close-wait-leak", capped, lab()), "limit of rows");
  Window brief = a_window(2, [](SampleBuilder& sample, std::size_t) { leak(sample, 50, 50, 30s); });
  expect_unknown(judged("close-wait-leak", brief, lab()), "not enough data");
}

TEST(CloseWaitLeak, forked_processes_that_share_sockets_are_one_finding) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    SocketRow row = leaked(30s);
    row.owner->holders = 2;
    row.others = {{.pid = 43, .comm = "api", .fds = 1}};
    sample.add(50, row).add(a_process(42, "api").close_wait(50, 50)).add(a_process(43, "api").close_wait(50, 50));
  });
  auto finding = only_finding(judged("close-wait-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 42u);
  ASSERT_EQ(finding->scope.others.size(), 1u);
  EXPECT_EQ(finding->scope.others[0].pid, 43u);
}

TEST(CloseWaitLeak, a_parent_that_merely_kept_some_answers_for_its_own) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    SocketRow of_child = leaked(30s);
    of_child.owner = Owner{.pid = 43, .comm = "worker", .fd = 5, .holders = 2};
    of_child.others = {{.pid = 42, .comm = "api", .fds = 1}};
    sample.add(30, of_child).add(20, leaked(30s), 500);
    sample.add(a_process(42, "api").close_wait(50, 50)).add(a_process(43, "worker").close_wait(30, 30));
  });
  Outcome outcome = judged("close-wait-leak", window, lab());
  ASSERT_EQ(outcome.findings.size(), 2u);
  EXPECT_EQ(outcome.findings[0].scope.comm, "worker");
  EXPECT_EQ(outcome.findings[0].scope.count, 30u);
  EXPECT_EQ(outcome.findings[1].scope.comm, "api");
  EXPECT_EQ(outcome.findings[1].scope.count, 20u);
}

TEST(CloseWaitLeak, what_is_on_its_way_in_a_message_is_laid_to_its_last_user) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    SocketRow row = leaked(70s);
    row.owner.reset();
    row.holder = Holder::no_descriptor;
    row.last_user = LastUser{.pid = 12, .comm = "broker"};
    sample.add(12, row);
  });
  auto finding = only_finding(judged("close-wait-leak", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("broker[12], which has no descriptor left"));
  for (const std::string& step : finding->recommendation.steps) EXPECT_THAT(step, testing::Not(HasSubstr("restart")));
}

/// Twenty processes that one parent started, each with one connection that it accepted and does not close.
Window inetd_style(Pid parent) {
  return a_window(5, [=](SampleBuilder& sample, std::size_t) {
    sample.add(a_socket().listen(8443, 0, 128).cookie(9'000).pid(50, "inetd"));
    for (Pid child = 100; child < 120; ++child) {
      OwnerTotals owner = a_process(child, "worker").close_wait(1, 1);
      owner.parent = parent;
      sample.add(owner).add(a_socket().cookie(child).close_wait().age(70s).pid(child, "worker"));
    }
  });
}

TEST(CloseWaitLeak, one_in_each_process_of_a_server_is_a_leak_of_the_server) {
  auto finding = only_finding(judged("close-wait-leak", inetd_style(50), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->scope.count, 20u);
  EXPECT_THAT(finding->title, HasSubstr("worker[100]+19 does not close 20 sockets"));
}

TEST(CloseWaitLeak, processes_without_a_parent_of_their_own_have_nothing_in_common) {
  expect_fine(judged("close-wait-leak", inetd_style(1), lab()));
  expect_fine(judged("close-wait-leak", inetd_style(0), lab()));
}

TEST(CloseWaitLeak, two_processes_are_two_findings) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    sample.add(50, leaked(30s)).add(a_process(42, "api").close_wait(50, 50));
    sample.add(20, a_socket().close_wait().age(30s).pid(43, "api"), 900).add(a_process(43, "api").close_wait(20, 20));
  });
  EXPECT_EQ(judged("close-wait-leak", window, lab()).findings.size(), 2u);
}

SocketRow unserved(std::chrono::milliseconds age) {
  return a_socket().close_wait().age(age).holder(Holder::unaccepted).local(kService);
}

void deaf_listener(SampleBuilder& sample, std::uint32_t count, std::chrono::milliseconds age) {
  sample.add(a_socket().listen(8443, count, 128).pid(77, "deaf").drops(0)).add(count, unserved(age));
}

TEST(CloseWaitUnaccepted, names_the_listener) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) { deaf_listener(sample, 50, 3s + 1s * i); });
  auto finding = only_finding(judged("close-wait-unaccepted", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 77u);
  EXPECT_EQ(finding->scope.kind, ScopeKind::listener);
  EXPECT_EQ(finding->scope.count, 50u);
  EXPECT_THAT(finding->title, HasSubstr("port 8443"));
  EXPECT_EQ(value_of(*finding, "oldest_age"), 10);
  EXPECT_EQ(value_of(*finding, "accept_queue"), 50);
  expect_fine(judged("close-wait-leak", window, lab()));
}

TEST(CloseWaitUnaccepted, a_busy_queue_is_not_one_that_nobody_serves) {
  Window few = a_window(8, [](SampleBuilder& sample, std::size_t) { deaf_listener(sample, 9, 30s); });
  expect_fine(judged("close-wait-unaccepted", few, lab()));
  Window young = a_window(8, [](SampleBuilder& sample, std::size_t) { deaf_listener(sample, 50, 100ms); });
  expect_fine(judged("close-wait-unaccepted", young, lab()));
}

TEST(CloseWaitUnaccepted, clears_when_they_are_accepted) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) { deaf_listener(sample, i < 6 ? 50 : 0, 30s); });
  expect_fine(judged("close-wait-unaccepted", window, lab()));
}

TEST(CloseWaitUnaccepted, takes_the_count_from_the_totals_and_works_without_the_listener) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    sample.add(20, unserved(30s)).set([](Sample& s) {
      PortTotals port{.netns = build::kHostNetns,
                      .port = 8443,
                      .sockets = {},
                      .unaccepted_close_wait = 3000,
                      .recv_q = 0,
                      .send_q = 0};
      s.ports.push_back(port);
    });
  });
  auto finding = only_finding(judged("close-wait-unaccepted", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.count, 3000u);
  EXPECT_EQ(finding->confidence, Confidence::medium);
}

TEST(CloseWaitUnaccepted, is_not_assessed_where_holders_are_not_known) {
  Window window = a_window(5, [](SampleBuilder& sample, std::size_t) {
    sample.add(3, a_socket().close_wait().set([](SocketRow& row) { row.inode = 0; }));
  });
  expect_unknown(judged("close-wait-unaccepted", window, lab()), "does not tell accepted");
}

TEST(CloseWaitLeak, a_half_closed_connection_whose_bytes_move_is_no_leak) {
  auto with_bytes = [](std::uint64_t per_tick) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t i) {
      sample.add(20, a_socket().close_wait().age(90s).pid(42, "streamer").set([=](SocketRow& row) {
        row.bytes_acked = 1'000 + per_tick * i;
      }));
    });
  };
  EXPECT_EQ(judged("close-wait-leak", with_bytes(0), Policy{}).findings.size(), 1u);
  expect_fine(judged("close-wait-leak", with_bytes(1), Policy{}));
}

TEST(CloseWaitLeak, bytes_that_moved_before_the_peer_closed_or_long_ago_do_not_hide_it) {
  auto closed_at = [](bool whole_before) {
    return a_window(200, [=](SampleBuilder& sample, std::size_t i) {
      auto socket = a_socket().close_wait().age(1s * i).pid(42, "api");
      if (whole_before && i < 100) socket = a_socket().established().pid(42, "api");
      sample.add(20, socket.set([=](SocketRow& row) { row.bytes_acked = 1'000 + std::min<std::size_t>(i, 100); }));
    });
  };
  EXPECT_EQ(judged("close-wait-leak", closed_at(true), Policy{}).findings.size(), 1u);
  EXPECT_EQ(judged("close-wait-leak", closed_at(false), Policy{}).findings.size(), 1u);
}

TEST(CloseWaitUnaccepted, belongs_to_the_listener_of_the_address_not_of_the_port) {
  auto window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    sample.add(a_socket().cookie(1).listen(9009, 45, 64).local(Endpoint::v4(127, 0, 0, 1, 9009)).pid(7, "busy"));
    sample.add(a_socket().cookie(2).listen(9009, 20, 64).local(Endpoint::v4(127, 0, 0, 2, 9009)).pid(8, "stuck"));
    sample.add(20, a_socket().close_wait().age(90s).holder(Holder::unaccepted).local(Endpoint::v4(127, 0, 0, 2, 9009)),
               100);
  });
  auto finding = only_finding(judged("close-wait-unaccepted", window, Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 8u);
  EXPECT_EQ(finding->scope.local, "127.0.0.2:9009");
}

TEST(CloseWaitLeak, the_code_of_accepted_sockets_is_found_by_their_port) {
  auto steps = [](const SocketRow& like, bool own_ports) {
    Window window = a_window(5, [&](SampleBuilder& sample, std::size_t) {
      for (std::uint16_t k = 0; k < 12; ++k) {
        SocketRow row = like;
        row.cookie = row.inode = 100u + k;
        (own_ports ? row.local : row.remote).port = static_cast<std::uint16_t>(40'000 + k);
        sample.add(row);
      }
    });
    auto finding = only_finding(judged("close-wait-leak", window, lab()));
    std::string out;
    for (const std::string& step : finding ? finding->recommendation.steps : std::vector<std::string>{}) {
      out += step + "\n";
    }
    return out;
  };
  EXPECT_THAT(steps(leaked(70s), false), HasSubstr("look at the code that serves port 8443"));
  SocketRow client = leaked(70s);
  std::swap(client.local, client.remote);
  client.remote = kService;
  client.recv_q = 12;  // so that it is no pool
  EXPECT_THAT(steps(client, true), HasSubstr("look at the code that talks to 127.0.0.1:8443"));
}

}  // namespace
}  // namespace tcpadvisor::close_wait_test
