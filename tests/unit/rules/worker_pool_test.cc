// SPDX-License-Identifier: Apache-2.0
// Pre-forked servers: who is named when a shared listener is not served, and why it is not.
#include <string>
#include <vector>

#include "tests/unit/expect.h"

namespace tcpadvisor::worker_pool_test {
namespace {

using namespace std::chrono_literals;
using build::a_process;
using build::a_socket;
using build::a_window;
using build::SampleBuilder;
using testing::HasSubstr;
using testing::Not;

std::string steps_of(const Finding& finding) {
  std::string out;
  for (const std::string& step : finding.recommendation.steps) out += step + "\n";
  return out;
}

/// A master, which has opened the listener, and its workers. Each worker has so many connections.
struct Pool {
  std::vector<std::uint32_t> taken = {1, 1, 1};
  std::uint32_t queue = 25, limit = 511;
  std::uint64_t drops = 0;
  ProcessState workers = ProcessState::running;
  Pid parent_of_last = 40;
  void add_to(SampleBuilder& sample) const {
    SocketRow listener = a_socket().listen(9000, queue, limit).pid(40, "php-fpm").drops(drops);
    listener.owner->holders = 1 + static_cast<std::uint32_t>(taken.size());
    sample.add(a_process(40, "php-fpm").sockets(TcpState::listen, 1));
    for (std::size_t i = 0; i < taken.size(); ++i) {
      const Pid pid = 41 + static_cast<Pid>(i);
      OwnerTotals worker = a_process(pid, "php-fpm").sockets(TcpState::established, taken[i]).state(workers);
      worker.parent = i + 1 == taken.size() ? parent_of_last : 40;
      sample.add(worker);
      listener.others.push_back({.pid = pid, .comm = "php-fpm", .fds = 1});
    }
    sample.add(listener);
  }
  Window window() const {
    return a_window(8, [this](SampleBuilder& sample, std::size_t i) {
      Pool then = *this;
      then.drops = drops * i;
      then.add_to(sample);
      sample.counter("TcpExt.ListenOverflows", then.drops);
    });
  }
};

TEST(WorkerPool, all_busy_is_told_where_nobody_accepts) {
  auto finding = only_finding(judged("listener-never-accepts", Pool{}.window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 40u);
  EXPECT_THAT(finding->title, HasSubstr("its 3 workers are busy"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("what they wait for"));
  EXPECT_THAT(steps_of(*finding), HasSubstr("php-fpm[41], php-fpm[42], php-fpm[43]"));
  EXPECT_THAT(steps_of(*finding), Not(HasSubstr("gdb")));
}

TEST(WorkerPool, all_busy_is_told_where_the_queue_overflows) {
  auto finding =
      only_finding(judged("accept-queue-app-slow", Pool{.queue = 6, .limit = 5, .drops = 9}.window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, HasSubstr("its 3 workers are busy"));
  EXPECT_THAT(finding->recommendation.text, HasSubstr("what they wait for"));
}

TEST(WorkerPool, a_worker_without_a_connection_is_not_busy) {
  auto finding = only_finding(judged("listener-never-accepts", Pool{.taken = {1, 0, 1}}.window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, Not(HasSubstr("busy")));
  EXPECT_THAT(steps_of(*finding), HasSubstr("see which one should accept"));
}

TEST(WorkerPool, a_stranger_who_holds_the_listener_too_makes_it_no_pool) {
  auto finding =
      only_finding(judged("listener-never-accepts", Pool{.taken = {1, 1, 1, 1}, .parent_of_last = 7}.window(), lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, Not(HasSubstr("busy")));
}

TEST(WorkerPool, connections_of_other_ports_are_no_work_of_this_listener) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    Pool{}.add_to(sample);
    sample.set([](Sample& s) {
      PortTotals port{.netns = s.sockets.back().netns, .port = 9000};
      port.sockets[index_of(TcpState::established)] = 26;  // 25 of them wait
      s.ports.push_back(port);
    });
  });
  auto finding = only_finding(judged("listener-never-accepts", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->title, Not(HasSubstr("busy")));
}

TEST(WorkerPool, stopped_workers_are_named_although_their_master_runs) {
  const Window window = Pool{.workers = ProcessState::stopped}.window();
  auto finding = only_finding(judged("process-stopped", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 41u);
  EXPECT_EQ(finding->severity, Severity::critical);
  EXPECT_THAT(finding->title, HasSubstr("25 connections to accept"));
  EXPECT_THAT(finding->meaning, HasSubstr("None of the 3 processes"));
  EXPECT_THAT(steps_of(*finding), HasSubstr("kill -CONT 41 42 43"));
  auto waits = only_finding(judged("listener-never-accepts", window, lab()));
  ASSERT_TRUE(waits);
  EXPECT_EQ(waits->scope.pid, 41u) << "so that the verdict links it";
  EXPECT_THAT(waits->title, Not(HasSubstr("busy")));
}

TEST(WorkerPool, workers_that_are_stopped_together_are_one_finding) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    Pool{.workers = ProcessState::stopped}.add_to(sample);
    for (Pid pid : {41u, 42u, 43u}) {
      sample.add(a_socket().cookie(pid).local(Endpoint::v4(10, 0, 0, 1, 9000)).recv_q(100).pid(pid, "php-fpm"));
    }
  });
  auto finding = only_finding(judged("process-stopped", window, lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 41u);
  EXPECT_THAT(finding->title, HasSubstr("25 connections to accept, 300 B to read"));
}

TEST(WorkerPool, one_stopped_worker_of_several_is_not_the_pool) {
  Window window = a_window(8, [](SampleBuilder& sample, std::size_t) {
    Pool{}.add_to(sample);
    sample.set([](Sample& s) {
      for (OwnerTotals& owner : s.owners) {
        if (owner.pid == 42) owner.process_state = ProcessState::stopped;
      }
    });
  });
  expect_fine(judged("process-stopped", window, lab()));
}

/// A supervisor has opened the listener; a log helper and the service inherited it, and the service has taken
/// something.
Window supervised(std::uint32_t taken_by_service, std::uint32_t taken_by_supervisor = 0) {
  return a_window(8, [=](SampleBuilder& sample, std::size_t) {
    SocketRow listener = a_socket().listen(8203, 12, 128).pid(40, "supervisor");
    listener.owner->holders = 3;
    listener.others = {{.pid = 41, .comm = "log-helper", .fds = 1}, {.pid = 42, .comm = "api", .fds = 1}};
    sample.add(listener);
    sample.add(a_process(40, "supervisor").sockets(TcpState::listen, 1));
    sample.add(a_process(41, "log-helper").sockets(TcpState::listen, 1));
    sample.add(a_process(42, "api").sockets(TcpState::established, taken_by_service));
    auto took = [&](Pid pid, const char* comm, std::uint32_t count) {
      SocketRow row = a_socket().established().pid(pid, comm);
      row.local = Endpoint::v4(127, 0, 0, 1, 8203);
      if (count > 0) sample.add(count, row);
    };
    took(42, "api", taken_by_service);
    took(40, "supervisor", taken_by_supervisor);
  });
}

TEST(WorkerPool, who_has_taken_something_from_the_port_is_named_and_not_who_inherited_the_listener) {
  auto finding = only_finding(judged("listener-never-accepts", supervised(2), lab()));
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->scope.pid, 42u);
  EXPECT_THAT(finding->title, HasSubstr("api[42]+2 does not accept on port 8203"));
  ASSERT_EQ(finding->scope.others.size(), 2U);
  EXPECT_EQ(finding->scope.others.front().pid, 40u);
}

TEST(WorkerPool, who_holds_a_listener_first_is_named_where_nobody_or_he_himself_has_taken_anything) {
  EXPECT_EQ(only_finding(judged("listener-never-accepts", supervised(0), lab()))->scope.pid, 40u);
  EXPECT_EQ(only_finding(judged("listener-never-accepts", supervised(2, 1), lab()))->scope.pid, 40u);
}

}  // namespace
}  // namespace tcpadvisor::worker_pool_test
