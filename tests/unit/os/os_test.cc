// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "agent/os/netns.h"
#include "agent/os/signals.h"
#include "agent/os/unique_fd.h"
#include "agent/os/worker.h"
#include "agent/os/write.h"
#include "tests/unit/os/fake_clock.h"
#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::os::os_test {
namespace {

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

TEST(UniqueFd, closes_once_and_moves) {
  int number = open("/dev/null", O_RDONLY);
  {
    UniqueFd first(number);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first);
    EXPECT_EQ(second.get(), number);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Clock, the_real_one_moves_forward) {
  RealClock clock;
  auto before = clock.mono_ns();
  EXPECT_GE(clock.mono_ns(), before);
  EXPECT_GT(clock.wall_ms(), 1'700'000'000'000);
  EXPECT_GT(process_cpu_ns(), 0u);
}

TEST(StopSignals, remembers_the_first_signal_and_gives_the_mask_back) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    auto signals = StopSignals::open();
    ASSERT_TRUE(signals);
    EXPECT_EQ((*signals)->received(), 0);
    pthread_kill(pthread_self(), SIGTERM);
    EXPECT_EQ((*signals)->wait(std::chrono::seconds(5)), SIGTERM);
    pthread_kill(pthread_self(), SIGINT);
    EXPECT_EQ((*signals)->received(), SIGTERM);
    pthread_kill(pthread_self(), SIGTERM);  // still pending when the mask comes back: must not kill the test
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
}

TEST(ProcRoot, reads_files_lines_links_and_pids) {
  TempTree tree;
  tree.file("/proc/12/comm", "beam\n").file("/proc/3/comm", "sh\n").file("/proc/version", "x").file("/two", "a\nb");
  tree.link("/proc/3/ns/net", "net:[77]");
  ProcRoot root = tree.root();
  EXPECT_EQ(root.read("/proc/12/comm").value(), "beam\n");
  EXPECT_EQ(root.pids().value(), (std::vector<std::uint32_t>{3, 12}));
  EXPECT_EQ(root.read_link("/proc/3/ns/net").value(), "net:[77]");
  std::string seen;
  auto status = root.for_each_line("/two", [&](std::string_view line, std::size_t number) -> Status {
    seen += std::to_string(number) + ":" + std::string(line) + ";";
    return {};
  });
  EXPECT_TRUE(status);
  EXPECT_EQ(seen, "1:a;2:b;");
}

TEST(ProcRoot, lines_longer_than_the_buffer_stay_whole) {
  TempTree tree;
  std::string longer(70'000, 'x');
  tree.file("/f", "a\n" + longer + "\nb\n");
  std::vector<std::size_t> sizes;
  auto status = tree.root().for_each_line("/f", [&](std::string_view line, std::size_t) -> Status {
    sizes.push_back(line.size());
    return {};
  });
  EXPECT_TRUE(status);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 70'000, 1}));
}

TEST(ProcRoot, errors_name_the_file_and_the_kind) {
  TempTree tree;
  auto missing = tree.root().read("/proc/none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_NE(missing.error().message.find("/proc/none"), std::string::npos);
  tree.file("/big", std::string(100, 'x'));
  EXPECT_FALSE(tree.root().read("/big", 50));
}

TEST(Netns, link_text) {
  EXPECT_EQ(parse_netns_link("net:[4026531840]").value(), 4026531840u);
  for (const char* bad : {"", "net:[]", "net:[12", "mnt:[12]", "net:[1x]", "net:[-1]"})
    EXPECT_FALSE(parse_netns_link(bad)) << bad;
}

TEST(Netns, each_namespace_is_listed_once_host_first) {
  TempTree tree;
  tree.link("/proc/thread-self/ns/net", "net:[50]")
      .link("/proc/1/ns/net", "net:[40]")
      .link("/proc/9/ns/net", "net:[60]");
  tree.link("/proc/10/ns/net", "net:[60]").link("/proc/11/ns/net", "net:[50]").file("/run/netns/blue", "");
  NetnsList list = find_netns(tree.root());
  ASSERT_EQ(list.found.size(), 4u);
  EXPECT_EQ(list.found[0], (NetnsRef{40, "host", "/proc/1/ns/net", true, false}));
  EXPECT_EQ(list.found[1], (NetnsRef{50, "own", "/proc/thread-self/ns/net", false, true}));
  EXPECT_EQ(list.found[2].name, "blue");
  EXPECT_EQ(list.found[3], (NetnsRef{60, "pid:9", "/proc/9/ns/net", false, false}));
  EXPECT_EQ(list.unreadable, 0u);
}

TEST(Netns, the_number_of_namespaces_is_bounded_and_the_rest_counted) {
  TempTree tree;
  tree.link("/proc/thread-self/ns/net", "net:[1]").link("/proc/1/ns/net", "net:[1]");
  for (int pid = 2; pid < 12; ++pid)
    tree.link("/proc/" + std::to_string(pid) + "/ns/net", "net:[" + std::to_string(pid) + "]");
  NetnsList list = find_netns(tree.root(), 4);
  EXPECT_EQ(list.found.size(), 4u);
  EXPECT_EQ(list.over_limit, 7u);
}

TEST(Netns, own_is_the_host_when_pid_1_is_hidden) {
  TempTree tree;
  tree.link("/proc/thread-self/ns/net", "net:[50]");
  NetnsList list = find_netns(tree.root());
  ASSERT_EQ(list.found.size(), 1u);
  EXPECT_EQ(list.found[0], (NetnsRef{50, "host", "/proc/thread-self/ns/net", true, true}));
}

TEST(Netns, a_vanished_namespace_is_not_found) {
  auto visit = NetnsVisit::enter({12345, "gone", "/proc/self/ns/net", false, false});
  ASSERT_FALSE(visit);
  EXPECT_EQ(visit.error().code, ErrorCode::not_found);
  EXPECT_FALSE(NetnsVisit::enter({1, "nowhere", "/proc/4194305/ns/net", false, false}));
}

TEST(Netns, a_visit_changes_only_its_thread_and_ends) {
  std::uint64_t before = ProcRoot().inode("/proc/thread-self/ns/net").value();
  bool may = true;
  std::uint64_t there = 0, inside = 0, afterwards = 0;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      may = false;
      return;
    }
    there = ProcRoot().inode("/proc/thread-self/ns/net").value();
    {
      auto visit = NetnsVisit::enter({before, "main", "/proc/" + std::to_string(getpid()) + "/ns/net", false, false});
      inside = visit ? ProcRoot().inode("/proc/thread-self/ns/net").value() : 0;
    }
    afterwards = ProcRoot().inode("/proc/thread-self/ns/net").value();
  }).join();
  if (!may) GTEST_SKIP() << "unshare(CLONE_NEWNET) is not allowed here: run as root";
  EXPECT_NE(there, before);
  EXPECT_EQ(inside, before);
  EXPECT_EQ(afterwards, there);
  EXPECT_EQ(ProcRoot().inode("/proc/thread-self/ns/net").value(), before);
}

TEST(Worker, runs_in_another_thread_in_order_and_finishes_what_was_promised) {
  std::string order;
  std::future<std::thread::id> id;
  {
    Worker worker("test");
    id = worker.run([&] {
      order += 'a';
      return std::this_thread::get_id();
    });
    worker.run([&] { order += 'b'; });
  }
  EXPECT_NE(id.get(), std::this_thread::get_id());
  EXPECT_EQ(order, "ab");
}

TEST(Worker, hands_an_exception_to_whoever_asked) {
  Worker worker("test");
  auto failed = worker.run([]() -> int { throw std::runtime_error("a bug"); });
  EXPECT_THROW(failed.get(), std::runtime_error);
  EXPECT_EQ(worker.run([] { return 7; }).get(), 7) << "it works on";
}

TEST(Thread, keeps_what_its_work_throws_and_has_a_name) {
  std::string name;
  Thread good("a-good-one", [&] { name = ProcRoot().read("/proc/thread-self/comm").value(); });
  Thread bad("bad", [] { throw std::runtime_error("a bug"); });
  Thread worse("worse", [] { throw 7; });
  for (Thread* thread : {&good, &bad, &worse}) thread->join();
  EXPECT_EQ(name, "a-good-one\n");
  EXPECT_FALSE(good.failure());
  ASSERT_TRUE(bad.failure() && worse.failure());
  EXPECT_EQ(bad.failure()->message, "internal error: a bug");
  EXPECT_EQ(worse.failure()->message, "internal error: an exception of no known type");
}

TEST(RealSleepClock, sleeps_until_its_time_or_until_it_is_interrupted) {
  RealSleepClock clock;
  std::uint64_t until = clock.mono_ns() + 20'000'000;
  clock.sleep_until(until);
  EXPECT_GE(clock.mono_ns(), until);
  Thread other("other", [&] { clock.interrupt(); });
  clock.sleep_until(UINT64_MAX);  // would outlive us all
  clock.sleep_until(UINT64_MAX);
}

TEST(WriteAll, waits_for_a_reader_but_not_beyond_a_signal) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  UniqueFd out(ends[0]), in(ends[1]);
  std::string text(1'000'000, 'x');
  std::size_t got = 0;
  {
    Thread reader("reader", [&] {
      char buffer[65'536];
      while (got < text.size()) got += static_cast<std::size_t>(read(out.get(), buffer, sizeof buffer));
    });
    EXPECT_EQ(write_all(in.get(), text), 0);
  }
  EXPECT_EQ(got, text.size());

  auto signals = StopSignals::open();
  raise(SIGTERM);
  EXPECT_EQ(write_all(in.get(), text, signals->get()), 0) << "nobody reads; it would wait for ever";
  EXPECT_EQ((*signals)->received(), SIGTERM);
  UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(write_all(full.get(), "x", nullptr), ENOSPC);
}

}  // namespace
}  // namespace tcpadvisor::os::os_test
