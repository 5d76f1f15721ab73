// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/process_book.h"

#include <gtest/gtest.h>

#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::collect::process_book_test {
namespace {

const std::string kContainer = "/docker/" + std::string(64, 'a');

/// The path that stays with a process whose /proc/PID/cgroup is `text`, when the kernel's walk gave `known`.
std::string path_of(const std::string& text, const std::string& known = "") {
  os::TempTree tree;
  tree.file("/proc/7/comm", "x\n").file("/proc/7/cgroup", text);
  std::vector<OwnerTotals> owners(1);
  owners[0].pid = 7;
  owners[0].cgroup = known;
  ProcessBook().complete(owners, tree.root(), 0);
  return owners[0].cgroup;
}

TEST(ProcessBook, the_path_that_tells_most) {
  EXPECT_EQ(path_of("0::/system.slice/a.service\n"), "/system.slice/a.service");
  EXPECT_EQ(path_of("4:memory:/\n1:name=systemd:/system.slice/a.service\n"), "/system.slice/a.service");
  EXPECT_EQ(path_of("4:memory:/lab\n1:name=systemd:/\n0::/\n"), "/lab");
  EXPECT_EQ(path_of("4:memory:/system.slice\n1:name=systemd:/system.slice/a.service\n0::/\n"),
            "/system.slice/a.service");
  EXPECT_EQ(path_of("4:memory:/\n1:name=systemd:/\n0::/\n"), "/");
  EXPECT_EQ(path_of(""), "");
}

/// runc joins the v1 hierarchies alone: in the v2 one the container stays where containerd is.
TEST(ProcessBook, a_container_on_a_hybrid_host) {
  std::string text =
      "4:memory:" + kContainer + "\n1:name=systemd:" + kContainer + "\n0::/system.slice/containerd.service\n";
  EXPECT_EQ(path_of(text), kContainer);
  EXPECT_EQ(path_of(text, "/system.slice/containerd.service"), kContainer);
}

TEST(ProcessBook, what_the_kernel_said_stays_if_it_tells_as_much) {
  EXPECT_EQ(path_of("0::/system.slice/b.service\n", "/system.slice/a.service"), "/system.slice/a.service");
}

TEST(ProcessBook, the_number_inside_a_pid_namespace_unless_the_kernel_said_it) {
  os::TempTree tree;
  tree.file("/proc/7/comm", "x\n").file("/proc/7/status", "NSpid:\t7\t3\n");
  std::vector<OwnerTotals> owners(1);
  owners[0].pid = 7;
  ProcessBook().complete(owners, tree.root(), 0);
  EXPECT_EQ(owners[0].pid_inside, 3u);
  owners[0].pid_inside = 4;
  ProcessBook().complete(owners, tree.root(), 0);
  EXPECT_EQ(owners[0].pid_inside, 4u);
}

}  // namespace
}  // namespace tcpadvisor::collect::process_book_test
