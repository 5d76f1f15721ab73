// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/owners.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <semaphore>
#include <thread>

#include "agent/sources/cgroups.h"
#include "agent/sources/processes.h"
#include "tests/unit/os/temp_tree.h"
#include "tests/unit/sources/fixture.h"

namespace tcpadvisor::sources::owners_test {
namespace {

TEST(Owners, links) {
  EXPECT_EQ(parse_socket_link("socket:[12345]"), 12345u);
  for (const char* bad : {"", "socket:[]", "pipe:[12]", "socket:[12", "socket:[1 2]"})
    EXPECT_FALSE(parse_socket_link(bad)) << bad;
}

TEST(Owners, holders_by_inode_several_descriptors_and_processes) {
  auto scan = scan_owners(fixture::root("proc-5.10"));
  ASSERT_TRUE(scan);
  ASSERT_EQ(scan->of(5002).size(), 2u);
  EXPECT_EQ(scan->of(5002)[0], (os::Descriptor{5002, 900, 7}));
  EXPECT_TRUE(scan->of(1).empty());
  EXPECT_EQ(scan->files, 3u);
  EXPECT_EQ(scan->unreadable, 0u);

  os::TempTree tree;
  tree.link("/proc/20/fd/3", "socket:[9]").link("/proc/10/fd/5", "socket:[9]").link("/proc/10/fd/0", "/dev/null");
  auto shared = scan_owners(tree.root());
  ASSERT_EQ(shared->of(9).size(), 2u);
  EXPECT_EQ(shared->of(9)[0].pid, 10u) << "sorted by process";
}

TEST(Owners, the_number_of_holders_is_bounded_and_the_rest_counted) {
  auto scan = scan_owners(fixture::root("proc-5.10"), 1);
  EXPECT_EQ(scan->holders.size(), 1u);
  EXPECT_EQ(scan->over_limit, 2u);
}

TEST(Owners, a_process_without_readable_descriptors_is_counted) {
  os::TempTree tree;
  tree.link("/proc/10/fd/5", "socket:[9]");
  std::filesystem::permissions(tree.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(tree.path() + "/proc/10/fd", std::filesystem::perms::none);
  bool root = geteuid() == 0;  // root may read everything: look as nobody
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  auto scan = scan_owners(tree.root());
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  std::filesystem::permissions(tree.path() + "/proc/10/fd", std::filesystem::perms::owner_all);
  ASSERT_TRUE(scan);
  EXPECT_EQ(scan->unreadable, 1u);
}

TEST(Owners, the_threads_show_what_a_main_thread_that_has_ended_cannot) {
  os::TempTree tree;
  tree.file("/proc/30/fd/no descriptor", "").file("/proc/30/task/30/fd/no descriptor", "");
  for (const char* thread : {"31", "32"}) {  // they share one table
    for (int fd : {3, 4})
      tree.link(fmt::format("/proc/30/task/{}/fd/{}", thread, fd), fmt::format("socket:[{}]", 100 + fd));
  }
  auto scan = scan_owners(tree.root());
  ASSERT_TRUE(scan);
  ASSERT_EQ(scan->holders.size(), 2u);
  EXPECT_EQ(scan->holders[0], (os::Descriptor{103, 30, 3}));
}

TEST(Owners, a_thread_with_a_table_of_its_own_holds_for_its_process) {
  int shared = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct stat info{};
  ASSERT_EQ(fstat(shared, &info), 0);
  std::binary_semaphore copied(0);
  std::counting_semaphore<2> looked(0);
  std::thread thread([&] {
    unshare(CLONE_FILES);
    copied.release();
    looked.acquire();
  });
  std::thread sharing([&] { looked.acquire(); });
  copied.acquire();
  OwnerScan scan = scan_owner(os::ProcRoot(), static_cast<Pid>(getpid()), 100'000);
  looked.release(2);
  thread.join();
  sharing.join();
  close(shared);
  EXPECT_EQ(scan.of(info.st_ino).size(), 2u) << "in the main thread's table and in the copy, not once for each thread";
}

TEST(Owners, one_process_is_looked_at_as_far_as_the_limit) {
  os::TempTree tree;
  for (int fd = 0; fd < 10; ++fd) {
    tree.link("/proc/5/fd/" + std::to_string(fd), "socket:[" + std::to_string(100 + fd) + "]");
  }
  OwnerScan all = scan_owner(tree.root(), 5, 10);
  EXPECT_EQ(all.holders.size(), 10u);
  EXPECT_EQ(all.over_limit, 0u);
  OwnerScan some = scan_owner(tree.root(), 5, 4);
  EXPECT_EQ(some.files, 4u);
  EXPECT_EQ(some.holders.size(), 4u);
  EXPECT_EQ(some.over_limit, 1u);
}

TEST(Processes, descriptors_are_counted_within_an_allowance) {
  os::TempTree tree;
  for (int fd = 0; fd < 10; ++fd) tree.file("/proc/5/fd/" + std::to_string(fd), "");
  std::size_t allowance = 25;
  EXPECT_EQ(count_fds(tree.root(), 5, allowance), 10u);
  EXPECT_EQ(count_fds(tree.root(), 5, allowance), 10u);
  EXPECT_EQ(count_fds(tree.root(), 5, allowance), std::nullopt) << "5 entries are left, and it has more";
  EXPECT_EQ(allowance, 0u);
  EXPECT_EQ(count_fds(tree.root(), 5, allowance), std::nullopt);
}

std::size_t enough = 100'000;

TEST(Processes, everything_about_one) {
  ProcessFacts facts = read_process(fixture::root("proc-6.18"), 700, enough);
  EXPECT_EQ(facts.comm, "leaky");
  EXPECT_EQ(facts.netns, 4026531840u);
  EXPECT_EQ(facts.fd_limit, 1024u);
  EXPECT_EQ(facts.fds, 7u);
  EXPECT_EQ(facts.cgroups.unified, "/system.slice/leaky.service");
  EXPECT_EQ(facts.cgroups.memory, "/lab");
}

TEST(Processes, what_is_not_there_stays_empty) {
  ProcessFacts facts = read_process(fixture::root("proc-6.18"), 99999, enough);
  EXPECT_EQ(facts.comm, "");
  EXPECT_FALSE(facts.fds || facts.fd_limit);
}

TEST(Processes, limits_and_cgroups) {
  EXPECT_EQ(read_process(fixture::root("proc-5.10"), 900, enough).fd_limit, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_fd_limit("Max open files soon x files\n").error().message,
            "limits:1: 'soon' is not a number of files");
  EXPECT_FALSE(parse_fd_limit(""));
  EXPECT_EQ(parse_process_cgroups("8:cpu,memory:/docker/a:b\n").memory, "/docker/a:b");
  EXPECT_EQ(parse_process_cgroups("nonsense\n0::\n").unified, "");
  EXPECT_EQ(parse_process_cgroups("1:name=systemd:/system.slice/a.service\n").systemd, "/system.slice/a.service");
}

TEST(Processes, a_name_that_moves_the_terminal_becomes_harmless) {
  os::TempTree tree;
  tree.file("/proc/5/comm", "\x1b[2Jx\n");
  EXPECT_EQ(read_process(tree.root(), 5, enough).comm, "?[2Jx");
}

TEST(Cgroups, mounts) {
  auto v2 = parse_cgroup_mounts("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
  EXPECT_EQ(v2.unified, "/sys/fs/cgroup");
  EXPECT_FALSE(v2.hybrid || v2.v1_memory);
  auto hybrid = parse_cgroup_mounts(
      "c /sys/fs/cgroup/memory cgroup rw,memory 0 0\nc /sys/fs/cgroup/uni\\040fied cgroup2 rw 0 0\n");
  EXPECT_TRUE(hybrid.hybrid);
  EXPECT_EQ(hybrid.unified, "/sys/fs/cgroup/uni fied");
  EXPECT_EQ(hybrid.v1_memory, "/sys/fs/cgroup/memory");
  EXPECT_FALSE(parse_cgroup_mounts("").unified);
}

TEST(Cgroups, ids_to_paths) {
  os::TempTree tree;
  tree.file("/sys/fs/cgroup/a/b/x", "");
  std::uint64_t root_id = tree.root().inode("/sys/fs/cgroup").value();
  std::uint64_t b_id = tree.root().inode("/sys/fs/cgroup/a/b").value();
  CgroupTree known;
  known.walk(tree.root(), {.unified = "/sys/fs/cgroup", .v1_memory = {}, .v1_freezer = {}, .hybrid = false});
  EXPECT_EQ(known.path(root_id), "/");
  EXPECT_EQ(known.path(b_id), "/a/b");
  EXPECT_EQ(known.path(~0ull), "");
  known.walk(tree.root(), {.unified = "/sys/fs/cgroup", .v1_memory = {}, .v1_freezer = {}, .hybrid = true});
  EXPECT_EQ(known.path(root_id), "") << "on hybrid hosts every socket carries the root";
}

TEST(Cgroups, memory_of_v2_and_v1) {
  CgroupTotals v2;
  v2.path = "/system.slice/leaky.service";
  read_memory_v2(fixture::root("proc-6.18"), "/sys/fs/cgroup", v2);
  EXPECT_EQ(v2.sock_bytes, 73728u);
  EXPECT_EQ(v2.memory_current, 5'000'000u);
  EXPECT_FALSE(v2.memory_max) << "max is no limit";
  EXPECT_EQ(v2.events_max, 3u);
  CgroupTotals v1;
  v1.path = "/docker/abc";
  read_memory_v1(fixture::root("proc-5.10"), "/sys/fs/cgroup/memory", v1);
  EXPECT_EQ(v1.memory_current, 4'194'304u);
  EXPECT_EQ(v1.memory_max, 4'194'304u);
  CgroupTotals gone;
  gone.path = "/gone";
  read_memory_v2(fixture::root("proc-6.18"), "/sys/fs/cgroup", gone);
  EXPECT_FALSE(gone.sock_bytes || gone.memory_current || gone.events_max);
}

}  // namespace
}  // namespace tcpadvisor::sources::owners_test
