// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

namespace tcpadvisor::processes_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::OwnerBuilder;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

std::string steps_of(const Finding& finding) {
  std::string out;
  for (const std::string& step : finding.recommendation.steps) out += step + "\n";
  return out;
}

OwnerTotals server(ProcessState state) {
  return a_process(7, "api").sockets(TcpState::established, 3).sockets(TcpState::listen, 1).state(state);
}

/// A listener with `queue` waiting, and one connection with `unread` bytes.
void sockets_of_server(SampleBuilder& sample, std::uint32_t queue, std::uint64_t unread) {
  sample.add(a_socket().listen(8443, queue, 128).pid(7, "api").drops(0));
  sample.add(a_socket().cookie(2).recv_q(unread).rcvbuf(131'072, unread).pid(7, "api"));
}

TEST(ProcessStopped, fires_when_connections_and_data_wait) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    sample.add(server(ProcessState::stopped));
    sockets_of_server(sample, 12, 4'096);
  });
  auto finding = only_finding(judged("process-stopped", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(finding->confidence, Confidence::high);
  EXPECT_THAT(finding->title, HasSubstr("api[7] is stopped, and has 12 connections to accept, 4 KiB to read"));
  EXPECT_THAT(steps_of(*finding), HasSubstr("kill -CONT 7"));
  EXPECT_THAT(steps_of(*finding), Not(HasSubstr("gdb")));
  EXPECT_EQ(value_of(*finding, "stands_for_at_least"), 7);
}

TEST(ProcessStopped, a_frozen_cgroup_is_thawed_not_signalled) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    OwnerTotals owner = server(ProcessState::frozen);
    owner.cgroup = "/system.slice/api.service";
    sample.add(owner);
    sockets_of_server(sample, 0, 100);
  });
  auto finding = only_finding(judged("process-stopped", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_THAT(steps_of(*finding), HasSubstr("systemctl thaw api.service"));
  EXPECT_THAT(steps_of(*finding), Not(HasSubstr("kill")));
}

TEST(ProcessStopped, nobody_waits_or_it_runs) {
  expect_fine(judged("process-stopped",
                     a_window(8,
                              [](SampleBuilder& sample, std::size_t) {
                                sample.add(server(ProcessState::stopped));
                                sockets_of_server(sample, 0, 0);
                              }),
                     lab()));
  expect_fine(judged("process-stopped",
                     a_window(8,
                              [](SampleBuilder& sample, std::size_t i) {
                                sample.add(server(i < 7 ? ProcessState::stopped : ProcessState::running));
                                sockets_of_server(sample, 12, 4'096);
                              }),
                     lab()));
}

TEST(ProcessStopped, a_moment_is_not_enough_and_a_short_look_says_so) {
  auto stopped_from = [](std::size_t from) {
    return a_window(8, [from](SampleBuilder& sample, std::size_t i) {
      sample.add(server(i < from ? ProcessState::running : ProcessState::stopped));
      sockets_of_server(sample, 12, 4'096);
    });
  };
  expect_fine(judged("process-stopped", stopped_from(7), lab()));
  EXPECT_TRUE(only_finding(judged("process-stopped", stopped_from(4), lab())));
  Window two = a_window(2, [](SampleBuilder& sample, std::size_t) {
    sample.add(server(ProcessState::stopped));
    sockets_of_server(sample, 12, 0);
  });
  expect_unknown(judged("process-stopped", two, lab()), "3 needed");
}

TEST(ProcessStopped, state_d_counts_only_if_it_was_so_in_every_look) {
  auto hanging_but = [](std::size_t except) {
    return a_window(8, [except](SampleBuilder& sample, std::size_t i) {
      sample.add(server(i == except ? ProcessState::running : ProcessState::disk_wait));
      sockets_of_server(sample, 12, 4'096);
    });
  };
  auto finding = only_finding(judged("process-stopped", hanging_but(99), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::medium);
  EXPECT_THAT(finding->title, HasSubstr("hangs in the kernel"));
  expect_fine(judged("process-stopped", hanging_but(5), lab()));
}

TEST(ProcessStopped, a_stopped_parent_whose_child_serves_blocks_nobody) {
  auto shared_with = [](ProcessState other) {
    return a_window(8, [other](SampleBuilder& sample, std::size_t) {
      sample.add(server(ProcessState::stopped)).add(a_process(8, "api").state(other));
      SocketRow row = a_socket().recv_q(9'000).rcvbuf(131'072, 9'000).pid(7, "api");
      row.owner->holders = 2;
      row.others = {{.pid = 8, .comm = "api"}};
      sample.add(row);
    });
  };
  expect_fine(judged("process-stopped", shared_with(ProcessState::running), lab()));
  EXPECT_TRUE(only_finding(judged("process-stopped", shared_with(ProcessState::stopped), lab())));
}

/// Workers 8, 9 and 10 of api[7] share its listener; of them `stopped` do not run.
Window workers(std::size_t stopped, Pid parent_of_all = 7) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t) {
    SocketRow listener = a_socket().listen(8443, 12, 128).pid(7, "api").drops(0);
    listener.owner->holders = 4;
    sample.add(server(ProcessState::running));
    for (Pid pid = 8; pid <= 10; ++pid) {
      listener.others.push_back({.pid = pid, .comm = "worker", .fds = 1});
      OwnerTotals one = a_process(pid, "worker").sockets(TcpState::listen, 1);
      one.parent = parent_of_all;
      if (pid < 8 + stopped) one.process_state = ProcessState::stopped;
      sample.add(one);
    }
    sample.add(listener);
  });
}

TEST(ProcessStopped, workers_that_share_the_listener_of_a_parent_that_only_looks_after_them) {
  auto finding = only_finding(judged("process-stopped", workers(3), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 8u);
  EXPECT_THAT(finding->title, HasSubstr("worker[8] is stopped, and has 12 connections to accept"));
  EXPECT_THAT(finding->meaning, HasSubstr("None of the 3 processes that should accept runs"));
  EXPECT_THAT(steps_of(*finding), HasSubstr("kill -CONT 8 9 10"));
}

TEST(ProcessStopped, one_worker_that_runs_is_enough_to_accept) {
  expect_fine(judged("process-stopped", workers(2), lab()));
  expect_fine(judged("process-stopped", workers(3, 99), lab()));  // api[7] is no parent: it may accept itself
}

TEST(ProcessStopped, small_queues_without_rows_count_by_their_sum) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    OwnerTotals owner = server(ProcessState::stopped);
    owner.recv_q = 700;
    sample.add(owner);
  });
  auto finding = only_finding(judged("process-stopped", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(value_of(*finding, "unread_bytes"), 700);
}

TEST(ProcessStopped, is_not_assessed_where_nobody_tells_what_processes_do) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    sample.add(server(ProcessState::unknown));
    sockets_of_server(sample, 12, 4'096);
  });
  expect_unknown(judged("process-stopped", window, lab()), "whether 1 of the 1 processes");
}

/// A server with `fds` of 64 descriptors and `queue` connections waiting.
Window at_limit(std::uint32_t fds, std::uint32_t queue, std::uint32_t close_wait = 0) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t) {
    OwnerBuilder owner = a_process(7, "api").fds(fds, 64).close_wait(close_wait, close_wait);
    sample.add(owner.sockets(TcpState::listen, 1));
    sample.add(a_socket().listen(8443, queue, 8).pid(7, "api").drops(0));
  });
}

TEST(FdLimitReached, says_that_accept_fails) {
  auto finding = only_finding(judged("fd-limit-reached", at_limit(64, 9), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_THAT(finding->title, HasSubstr("descriptor limit of 64: 9 connections wait"));
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::capacity);
  EXPECT_THAT(finding->meaning, HasSubstr("63 files, pipes and others"));
  EXPECT_THAT(steps_of(*finding), HasSubstr("prlimit --pid 7 --nofile=4096:"));
  EXPECT_THAT(finding->recommendation.formula, HasSubstr("4,096"));
}

/// Workers 8 to 10 of api[7] share its listener; `at_their_limit` of them have 64 of 64 descriptors.
Window workers_at_limit(std::uint32_t queue, std::size_t at_their_limit) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t) {
    SocketRow listener = a_socket().listen(8443, queue, 128).pid(7, "api").drops(0);
    listener.owner->holders = 4;
    sample.add(a_process(7, "api").fds(12, 1'024));
    for (Pid pid = 8; pid <= 10; ++pid) {
      listener.others.push_back({.pid = pid, .comm = "worker", .fds = 1});
      OwnerTotals one = a_process(pid, "worker").fds(pid < 8 + at_their_limit ? 64 : 10, 64);
      one.parent = 7;
      sample.add(one);
    }
    sample.add(listener);
  });
}

TEST(FdLimitReached, workers_that_share_a_listener_are_one_fault) {
  auto finding = only_finding(judged("fd-limit-reached", workers_at_limit(12, 3), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 8u);
  EXPECT_EQ(finding->scope.sharing, 2u);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_THAT(finding->title, HasSubstr("worker[8]+2"));
  EXPECT_THAT(finding->title, HasSubstr("12 connections wait for accept()"));
}

TEST(FdLimitReached, one_worker_with_room_accepts) {
  Outcome outcome = judged("fd-limit-reached", workers_at_limit(12, 2), lab());
  ASSERT_EQ(outcome.findings.size(), 2u);
  for (const Finding& finding : outcome.findings) EXPECT_EQ(finding.severity, Severity::warning);
}

TEST(FdLimitReached, a_few_that_are_free_are_as_good_as_none) {
  EXPECT_TRUE(only_finding(judged("fd-limit-reached", at_limit(61, 9), lab())));
  auto near = only_finding(judged("fd-limit-reached", at_limit(58, 9), lab()));
  ASSERT_TRUE(near);
  EXPECT_EQ(near->severity, Severity::info) << "accept() still succeeds";
  expect_fine(judged("fd-limit-reached", at_limit(50, 9), lab()));
}

TEST(FdLimitReached, what_leaked_comes_before_a_higher_limit) {
  auto finding = only_finding(judged("fd-limit-reached", at_limit(64, 9, 40), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_THAT(finding->recommendation.text, HasSubstr("does not close 40 sockets"));
  EXPECT_THAT(steps_of(*finding), HasSubstr("to buy time"));
}

TEST(FdLimitReached, a_queue_that_empties_means_that_accept_succeeds) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "api").fds(64, 64));
    sample.add(a_socket().listen(8443, i == 6 ? 0 : 5, 8).pid(7, "api").drops(0));
  });
  auto finding = only_finding(judged("fd-limit-reached", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
}

TEST(FdLimitReached, growth_tells_when_the_end_comes) {
  auto grows_by = [](std::uint32_t step) {
    return a_window(8, [step](SampleBuilder& sample, std::size_t i) {
      sample.add(a_process(7, "api").fds(930 + step * static_cast<std::uint32_t>(i), 1024));
    });
  };
  auto soon = only_finding(judged("fd-limit-reached", grows_by(1), lab()));
  ASSERT_TRUE(soon);
  EXPECT_EQ(soon->severity, Severity::warning);
  EXPECT_THAT(soon->title, HasSubstr("none is left in 1m 27s"));
  auto stands = only_finding(judged("fd-limit-reached", grows_by(0), lab()));
  ASSERT_TRUE(stands);
  EXPECT_EQ(stands->severity, Severity::info);
}

TEST(FdLimitReached, unit_and_container_have_their_own_place_for_it) {
  auto in_cgroup = [](const std::string& path) {
    return a_window(8, [path](SampleBuilder& sample, std::size_t) {
      OwnerTotals owner = a_process(7, "api").fds(1024, 1024);
      owner.cgroup = path;
      sample.add(owner);
    });
  };
  auto unit = only_finding(judged("fd-limit-reached", in_cgroup("/system.slice/api.service"), lab()));
  ASSERT_TRUE(unit);
  EXPECT_THAT(steps_of(*unit), HasSubstr("systemctl edit api.service: [Service] LimitNOFILE=4096"));
  auto container = only_finding(
      judged("fd-limit-reached", in_cgroup("/docker/4bd2ab03c9e1f2a34bd2ab03c9e1f2a34bd2ab03c9e1f2a34bd2ab03c9e1f2a3"),
             lab()));
  ASSERT_TRUE(container);
  EXPECT_THAT(steps_of(*container), HasSubstr("--ulimit nofile=4096:4096"));
}

TEST(FdLimitReached, unknown_is_not_fine_and_no_limit_is_none) {
  expect_unknown(judged("fd-limit-reached",
                        a_window(8,
                                 [](SampleBuilder& sample, std::size_t) {
                                   OwnerTotals owner = a_process(7, "api");
                                   owner.fds.reset();
                                   sample.add(owner);
                                 }),
                        lab()),
                 "1 of the 1 processes");
  expect_fine(judged(
      "fd-limit-reached",
      a_window(8, [](SampleBuilder& sample, std::size_t) { sample.add(a_process(7, "api").fds(5'000, UINT64_MAX)); }),
      lab()));
}

struct Growth {
  std::uint32_t first = 20, step = 5;
  bool idle = true, server = false, rows = true;
  std::uint32_t used_again_after = 0;  ///< looks after its opening, each once; 0: never
  std::size_t looks = 14;
  std::uint32_t before = 0;  ///< seconds that the first ones have rested when we begin to look, one more for each
};

/// A client (or a server) whose connections to one peer grow by `step` a look.
Window connections(const Growth& growth) {
  return a_window(growth.looks, [growth](SampleBuilder& sample, std::size_t i) {
    std::uint32_t count = growth.first + growth.step * static_cast<std::uint32_t>(i);
    sample.add(a_process(7, "app").sockets(TcpState::established, count).fds(count + 10, 1024));
    if (growth.server) sample.add(a_socket().listen(8443, 0, 128).pid(7, "app").drops(0).cookie(9'999));
    for (std::uint32_t k = 0; growth.rows && k < count; ++k) {
      SocketRow row = a_socket().cookie(100 + k).pid(7, "app");
      row.local = Endpoint::v4(10, 0, 0, 1, growth.server ? 8443 : static_cast<std::uint16_t>(40'000 + k));
      row.remote = Endpoint::v4(10, 0, 0, 2, growth.server ? static_cast<std::uint16_t>(40'000 + k) : 443);
      std::uint32_t born = k < growth.first || growth.step == 0 ? 0 : (k - growth.first) / growth.step + 1;
      auto age_ms = static_cast<std::uint32_t>((i - born) * 1000);
      if (k < growth.first && growth.before > 0) age_ms += (k % growth.before) * 1000;
      const std::uint32_t again_ms = growth.used_again_after * 1000;
      if (again_ms > 0 && age_ms >= again_ms) age_ms -= again_ms;
      row.last_data_sent_ms = row.last_data_recv_ms = growth.idle ? age_ms : 5;
      sample.add(row);
    }
  });
}

TEST(EstablishedGrowth, names_the_client_that_forgets_to_close) {
  auto finding = only_finding(judged("established-growth", connections({}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  EXPECT_EQ(finding->scope.pid, 7u);
  EXPECT_EQ(finding->scope.remote, "10.0.0.2:443");
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::application);
  EXPECT_EQ(value_of(*finding, "established_growth"), 65);
  EXPECT_THAT(finding->meaning, HasSubstr("its descriptors end in 3m"));
}

TEST(EstablishedGrowth, a_server_says_that_its_clients_do_not_close) {
  auto finding = only_finding(judged("established-growth", connections({.server = true}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->recommendation.kind, RecommendationKind::peer);
  EXPECT_EQ(finding->scope.remote, "10.0.0.2");
}

TEST(EstablishedGrowth, what_has_only_begun_may_be_a_pool_that_is_filled_and_is_only_told) {
  auto finding = only_finding(judged("established-growth", connections({.looks = 8}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_THAT(finding->title, HasSubstr("has closed none"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("Look again in a minute"));
}

TEST(EstablishedGrowth, what_rests_for_longer_than_we_looked_tells_that_it_has_been_going_on) {
  auto finding = only_finding(judged("established-growth", connections({.first = 80, .before = 20}), Policy{}));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::warning);
  // A pool of long ago is not what grows now.
  auto pool = only_finding(judged("established-growth", connections({.first = 4, .before = 4}), Policy{}));
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->severity, Severity::info);
}

TEST(EstablishedGrowth, connections_that_are_used_now_and_then_are_fine) {
  expect_fine(judged("established-growth", connections({.used_again_after = 4}), lab()));
  expect_fine(judged("established-growth", connections({.server = true, .used_again_after = 4}), lab()));
  // An answer that comes at once is part of its opening.
  EXPECT_TRUE(only_finding(judged("established-growth", connections({.used_again_after = 1}), lab())));
}

TEST(EstablishedGrowth, one_that_came_while_descriptors_were_counted_may_have_no_row) {
  auto with = [](std::uint32_t more) {
    return a_window(14, [more](SampleBuilder& sample, std::size_t i) {
      auto count = static_cast<std::uint32_t>(20 + 5 * i);
      sample.add(a_process(7, "app").sockets(TcpState::established, count + more).fds(200, 1024));
      for (std::uint32_t k = 0; k < count; ++k) {
        SocketRow row = a_socket().cookie(100 + k).pid(7, "app");
        row.remote = Endpoint::v4(10, 0, 0, 2, 443);
        std::uint32_t born = k < 20 ? 0 : (k - 20) / 5 + 1;
        row.last_data_sent_ms = row.last_data_recv_ms = static_cast<std::uint32_t>((i - born) * 1000);
        sample.add(row);
      }
    });
  };
  EXPECT_EQ(only_finding(judged("established-growth", with(3), lab()))->severity, Severity::warning);
  EXPECT_EQ(only_finding(judged("established-growth", with(30), lab()))->severity, Severity::info);
}

TEST(EstablishedGrowth, without_rows_it_is_less_sure) {
  auto finding = only_finding(judged("established-growth", connections({.rows = false}), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::info);
  EXPECT_EQ(finding->confidence, Confidence::low);
  EXPECT_EQ(finding->scope.remote, "");
}

TEST(EstablishedGrowth, a_pool_that_stands_and_a_load_that_grows_are_fine) {
  expect_fine(judged("established-growth", connections({.first = 300, .step = 0}), lab()));
  expect_fine(judged("established-growth", connections({.idle = false}), lab()));
  Window pool = a_window(12, [](SampleBuilder& sample, std::size_t i) {
    sample.add(a_process(7, "app").sockets(TcpState::established, i < 2 ? 5 : 60));
  });
  expect_fine(judged("established-growth", pool, lab()));
}

TEST(EstablishedGrowth, who_merely_keeps_them_open_for_others_is_not_told_of) {
  Window window = a_window(12, [](SampleBuilder& sample, std::size_t i) {
    auto count = static_cast<std::uint32_t>(20 + 5 * i);
    sample.add(a_process(6, "parent").sockets(TcpState::established, count));
    SocketRow row = a_socket().pid(7, "child");
    row.others = {{.pid = 6, .comm = "parent"}};
    row.last_data_sent_ms = row.last_data_recv_ms = 5;
    sample.add(count, row);
  });
  expect_fine(judged("established-growth", window, lab()));
}

TEST(EstablishedGrowth, what_grows_and_is_held_by_nobody_we_see_is_not_fine) {
  auto unheld = [](std::uint64_t each_time, std::uint32_t in_queue) {
    return a_window(14, [=](SampleBuilder& sample, std::size_t i) {
      sample.count(TcpState::established, 40 + each_time * i);
      sample.add(a_socket().listen(80, in_queue, 1'024).pid(3, "web"));
    });
  };
  expect_unknown(judged("established-growth", unheld(5, 0), lab()), "105 ESTABLISHED sockets that no process");
  expect_fine(judged("established-growth", unheld(0, 0), lab()));
  expect_fine(judged("established-growth", unheld(5, 100), lab()));  // they wait for accept()
}

/// Found in use, beside 198,000 other sockets: a walk every four seconds, and the leak was "fine".
TEST(EstablishedGrowth, a_walk_now_and_then_proves_nothing) {
  auto with = [](double snapshot_ms, std::size_t every) {
    return a_window(12, [=](SampleBuilder& sample, std::size_t i) {
      const auto seen = static_cast<std::uint32_t>(i / every * every);
      sample.add(a_process(7, "app").sockets(TcpState::established, 20 + 5 * seen).fds(200, 1024));
      sample.set([&](Sample& one) { one.self.snapshot_ms = snapshot_ms; });
    });
  };
  expect_unknown(judged("established-growth", with(130, 4), lab()), "too costly to be made at every look");
  expect_fine(judged("established-growth", with(4, 12), lab()));
  expect_fine(judged("established-growth", with(4, 8), lab()));  // a pool that was filled at once
  expect_fine(judged("established-growth", with(130, 12), lab()));
}

TEST(EstablishedGrowth, one_close_clears_it) {
  Window window = a_window(12, [](SampleBuilder& sample, std::size_t i) {
    auto count = static_cast<std::uint32_t>(i == 9 ? 50 : 20 + 5 * i);
    sample.add(a_process(7, "app").sockets(TcpState::established, count));
  });
  expect_fine(judged("established-growth", window, lab()));
}

TEST(EstablishedGrowth, a_short_look_is_not_enough) {
  auto looks = [](std::uint32_t count) {
    return a_window(4, [count](SampleBuilder& sample, std::size_t) {
      sample.add(a_process(7, "app").sockets(TcpState::established, count));
    });
  };
  expect_unknown(judged("established-growth", looks(50), lab()), "8 needed");
  expect_fine(judged("established-growth", looks(3), lab()));
}

TEST(FdLimitReached, more_than_the_limit_were_opened_before_it) {
  auto with = [](std::uint32_t fds) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t) { sample.add(a_process(7, "api").fds(fds, 64)); });
  };
  auto over = only_finding(judged("fd-limit-reached", with(65), lab()));
  ASSERT_TRUE(over);
  EXPECT_THAT(over->meaning, HasSubstr("It has 65 descriptors, opened before its limit was lowered"));
  auto at = only_finding(judged("fd-limit-reached", with(64), lab()));
  ASSERT_TRUE(at);
  EXPECT_THAT(at->meaning, HasSubstr("It has 64 descriptors: "));
}

TEST(ProcessStopped, thaws_by_the_file_that_froze_it) {
  auto with = [](const std::string& file) {
    return a_window(8, [=](SampleBuilder& sample, std::size_t) {
      OwnerTotals owner = a_process(7, "api").state(ProcessState::frozen).close_wait(3, 3);
      owner.cgroup = "/system.slice/containerd.service";
      owner.frozen_by = file;
      sample.add(owner).add(3, a_socket().close_wait().age(70s).pid(7, "api"));
    });
  };
  auto v1 = only_finding(judged("process-stopped", with("/sys/fs/cgroup/freezer/docker/x/freezer.state"), lab()));
  ASSERT_TRUE(v1);
  EXPECT_THAT(steps_of(*v1), HasSubstr("echo THAWED > /sys/fs/cgroup/freezer/docker/x/freezer.state"));
  EXPECT_THAT(steps_of(*v1), Not(HasSubstr("containerd.service")));
  auto v2 = only_finding(
      judged("process-stopped", with("/sys/fs/cgroup/system.slice/containerd.service/cgroup.freeze"), lab()));
  ASSERT_TRUE(v2);
  EXPECT_THAT(steps_of(*v2), HasSubstr("systemctl thaw containerd.service"));
}

}  // namespace
}  // namespace tcpadvisor::processes_test
