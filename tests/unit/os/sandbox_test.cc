// SPDX-License-Identifier: Apache-2.0
// Everything here is per thread and for good, so each test gives itself up in a thread of its own.
#include "agent/os/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "agent/os/privileges.h"
#include "agent/os/unique_fd.h"
#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::os::sandbox_test {
namespace {

/// The errno of making (or opening) a file for writing; 0 if that works.
int write_error(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  return fd ? 0 : errno;
}

template <typename F>
void in_own_thread(F work) {
  std::thread(work).join();
}

TEST(GainNothingMore, HoldsForThisThreadAndThoseItStarts) {
  ASSERT_FALSE(parse_thread_status(ProcRoot().read("/proc/thread-self/status").value()).no_new_privs);
  in_own_thread([] {
    ASSERT_TRUE(gain_nothing_more());
    in_own_thread([] {
      auto thread = parse_thread_status(ProcRoot().read("/proc/thread-self/status").value());
      EXPECT_TRUE(thread.no_new_privs);
      EXPECT_TRUE(thread.bounding_set_empty || geteuid() != 0);
    });
  });
  EXPECT_FALSE(parse_thread_status(ProcRoot().read("/proc/thread-self/status").value()).no_new_privs);
}

TEST(KeepOnly, WhatIsWantedAndWasThere) {
  in_own_thread([] {
    auto before = parse_thread_status(ProcRoot().read("/proc/thread-self/status").value()).capabilities;
    static constexpr int kWanted[] = {CAP_NET_BIND_SERVICE};
    ASSERT_TRUE(keep_only(kWanted));
    auto left = parse_thread_status(ProcRoot().read("/proc/thread-self/status").value()).capabilities;
    if (std::ranges::count(before, "cap_net_bind_service") > 0) {
      EXPECT_EQ(left, std::vector<std::string>{"cap_net_bind_service"});
    } else {
      EXPECT_TRUE(left.empty());
    }
    ASSERT_TRUE(keep_only({}));
    EXPECT_TRUE(parse_thread_status(ProcRoot().read("/proc/thread-self/status").value()).capabilities.empty());
  });
}

TEST(ParseThreadStatus, ReadsWhatTheKernelWrites) {
  ThreadPrivileges thread = parse_thread_status(
      "Name:\tlooker\nUid:\t0\t0\t0\t0\nCapPrm:\t0000000000280000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n"
      "Seccomp:\t2\nSeccomp_filters:\t1\n");
  EXPECT_EQ(thread.name, "looker");
  EXPECT_EQ(thread.capabilities, (std::vector<std::string>{"cap_sys_ptrace", "cap_sys_admin"}));
  EXPECT_TRUE(thread.no_new_privs && thread.bounding_set_empty && thread.filtered);
  thread = parse_thread_status("Name:\tx\nCapPrm:\t0\nCapBnd:\t1\nNoNewPrivs:\t0\nSeccomp:\t0");
  EXPECT_TRUE(thread.capabilities.empty());
  EXPECT_FALSE(thread.no_new_privs || thread.bounding_set_empty || thread.filtered);
}

TEST(ThreadsOf, AreAllListed) {
  EXPECT_EQ(threads_of(ProcRoot(), "self").size(), 1u);
}

TEST(AllowWritesOnlyBelow, DeniesTheRestAndReadingNothing) {
  TempTree allowed, elsewhere;
  elsewhere.file("/old", "text");
  elsewhere.file("/single", "text");
  std::string why;
  in_own_thread([&] {
    ASSERT_TRUE(gain_nothing_more());
    std::string paths[] = {allowed.path(), elsewhere.path() + "/single", elsewhere.path() + "/not-there"};
    Status entered = allow_writes_only_below(paths);
    if (!entered && entered.error().code == ErrorCode::unsupported) {
      why = entered.error().message;
      return;
    }
    ASSERT_TRUE(entered) << entered.error().message;
    EXPECT_EQ(write_error(elsewhere.path() + "/new"), EACCES);
    EXPECT_EQ(write_error(elsewhere.path() + "/old"), EACCES);
    EXPECT_EQ(truncate((elsewhere.path() + "/old").c_str(), 0), -1);
    EXPECT_EQ(unlink((elsewhere.path() + "/old").c_str()), -1);
    EXPECT_EQ(mkdir((elsewhere.path() + "/dir").c_str(), 0700), -1);
    EXPECT_EQ(write_error("/dev/null"), EACCES);
    EXPECT_EQ(ProcRoot().read(elsewhere.path() + "/old").value(), "text");
    EXPECT_EQ(write_error(elsewhere.path() + "/single"), 0);

    EXPECT_EQ(write_error(allowed.path() + "/new"), 0);
    EXPECT_EQ(rename((allowed.path() + "/new").c_str(), (allowed.path() + "/newer").c_str()), 0);
    EXPECT_EQ(unlink((allowed.path() + "/newer").c_str()), 0);
  });
  if (!why.empty()) GTEST_SKIP() << why;
  EXPECT_EQ(write_error(elsewhere.path() + "/new"), 0) << "other threads are not touched";
}

TEST(ForbidChanges, RefusesWritingExecutingAndMounting) {
  TempTree tree;
  tree.file("/old", "text");
  in_own_thread([&] {
    ASSERT_TRUE(gain_nothing_more());
    Status filtered = forbid_changes();
    ASSERT_TRUE(filtered) << filtered.error().message;
    EXPECT_EQ(write_error(tree.path() + "/new"), EACCES);
    EXPECT_EQ(write_error(tree.path() + "/old"), EACCES);
    EXPECT_EQ(unlink((tree.path() + "/old").c_str()), -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(rename((tree.path() + "/old").c_str(), (tree.path() + "/new").c_str()), -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(execl("/bin/true", "true", nullptr), -1);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(ProcRoot().read(tree.path() + "/old").value(), "text");
    EXPECT_TRUE(ProcRoot().read_link("/proc/self/ns/net"));
    EXPECT_TRUE(parse_thread_status(ProcRoot().read("/proc/thread-self/status").value()).filtered);
  });
  EXPECT_EQ(write_error(tree.path() + "/new"), 0) << "other threads are not touched";
}

}  // namespace
}  // namespace tcpadvisor::os::sandbox_test
