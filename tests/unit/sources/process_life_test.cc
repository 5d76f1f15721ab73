// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/process_life.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/sources/kin.h"
#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::sources::process_life_test {
namespace {

/// A line as the kernel writes it, with what matters filled in.
std::string stat_line(const std::string& comm, const std::string& state, const std::string& threads,
                      const std::string& rss_pages) {
  return "700 (" + comm + ") " + state + " 1 700 700 0 -1 4194560 512 0 0 0 3 1 0 0 20 0 " + threads +
         " 0 84612 234881024 " + rss_pages +
         " 18446744073709551615 1 1 0 0 0 0 0 16781312 134235650 1 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
}

ProcessLife life_of(const std::string& comm, const std::string& state = "S", const std::string& threads = "3",
                    const std::string& rss = "2048") {
  return parse_process_stat(stat_line(comm, state, threads, rss), 4096);
}

TEST(ProcessLife, state_and_memory) {
  EXPECT_EQ(life_of("leaky"), (ProcessLife{ProcessState::running, 2048u * 4096u}));
  EXPECT_EQ(life_of("leaky", "R").state, ProcessState::running);
  EXPECT_EQ(life_of("leaky", "T").state, ProcessState::stopped);
  EXPECT_EQ(life_of("leaky", "t").state, ProcessState::stopped) << "by a debugger";
  EXPECT_EQ(life_of("leaky", "D").state, ProcessState::disk_wait);
  EXPECT_EQ(life_of("leaky", "Q").state, ProcessState::unknown);
}

TEST(ProcessLife, a_name_may_hold_anything) {
  for (const char* comm : {"a b", "x) T 1", "((", ")", "new\nline) Z 9", "\x1b[2J", ""}) {
    EXPECT_EQ(life_of(comm, "D"), (ProcessLife{ProcessState::disk_wait, 2048u * 4096u})) << comm;
  }
}

TEST(ProcessLife, a_main_thread_that_ended_before_the_others_tells_nothing) {
  EXPECT_EQ(life_of("java", "Z", "4", "0"), ProcessLife{});
  EXPECT_EQ(life_of("java", "Z", "1", "0"), (ProcessLife{ProcessState::ended, {}}));
}

TEST(ProcessLife, nonsense_is_unknown) {
  for (const char* text : {"", "700", "700 (x", "700 (x)", "700 (x) ", "700 (x) SS 1"}) {
    EXPECT_EQ(parse_process_stat(text, 4096), ProcessLife{}) << text;
  }
  EXPECT_EQ(parse_process_stat("7 (x) S 1 2", 4096), (ProcessLife{ProcessState::running, {}})) << "cut off";
  EXPECT_EQ(life_of("x", "S", "3", "18446744073709551615").rss_bytes, UINT64_MAX);
  EXPECT_FALSE(life_of("x", "S", "3", "-1").rss_bytes);
}

TEST(ProcessLife, is_read_from_the_main_thread) {
  os::TempTree tree;
  tree.file("/proc/700/task/700/stat", stat_line("leaky", "T", "1", "10"));
  EXPECT_EQ(read_process_life(tree.root(), 700).state, ProcessState::stopped);
  EXPECT_EQ(read_process_life(tree.root(), 701), ProcessLife{});
  EXPECT_EQ(read_process_life(os::ProcRoot(), static_cast<Pid>(getpid())).state, ProcessState::running);
}

ProcessCgroups in_cgroups(std::string unified, std::string freezer) {
  return {.unified = std::move(unified), .memory = {}, .freezer = std::move(freezer)};
}

/// What becomes of a process in `state`; `file`, if it is given, takes the file by which it thaws.
ProcessState judged(Freezer& freezer, ProcessState state, const ProcessCgroups& cgroups, std::string* file = nullptr) {
  OwnerTotals owner;
  owner.process_state = state;
  freezer.judge(owner, cgroups);
  if (file != nullptr) *file = owner.frozen_by;
  return owner.process_state;
}

TEST(Freezer, v2_tells_by_cgroup_events) {
  os::TempTree tree;
  tree.file("/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
  tree.file("/sys/fs/cgroup/a/cgroup.events", "populated 1\nfrozen 1\n");
  tree.file("/sys/fs/cgroup/b/cgroup.events", "populated 1\nfrozen 0\n");
  Freezer freezer(tree.root());
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/a", "")), ProcessState::frozen);
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/b", "")), ProcessState::running);
  EXPECT_EQ(judged(freezer, ProcessState::stopped, in_cgroups("/a", "")), ProcessState::stopped);
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/gone", "")), ProcessState::running);
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/", "")), ProcessState::running);

  tree.file("/sys/fs/cgroup/a/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/a", "")), ProcessState::frozen) << "asked once a look";
  freezer.look_again();
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/a", "")), ProcessState::running);
}

TEST(Freezer, v1_tells_by_freezer_state_of_what_seems_to_wait_for_a_disk) {
  os::TempTree tree;
  tree.file("/proc/mounts", "cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0\n");
  tree.file("/sys/fs/cgroup/freezer/docker/x/freezer.state", "FROZEN\n");
  tree.file("/sys/fs/cgroup/freezer/docker/y/freezer.state", "FREEZING\n");
  Freezer freezer(tree.root());
  EXPECT_EQ(judged(freezer, ProcessState::disk_wait, in_cgroups("/", "/docker/x")), ProcessState::frozen);
  EXPECT_EQ(judged(freezer, ProcessState::disk_wait, in_cgroups("/", "/docker/y")), ProcessState::disk_wait);
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/", "/docker/x")), ProcessState::running);
  EXPECT_EQ(judged(freezer, ProcessState::disk_wait, in_cgroups("/../a", "/docker/../x")), ProcessState::disk_wait);
  std::string file;
  judged(freezer, ProcessState::disk_wait, in_cgroups("/", "/docker/x"), &file);
  EXPECT_EQ(file, "/sys/fs/cgroup/freezer/docker/x/freezer.state");
  EXPECT_EQ(parse_process_cgroups("6:freezer:/docker/x\n4:memory:/m\n").freezer, "/docker/x");
}

TEST(Freezer, names_the_file_of_the_cgroup_that_was_frozen_and_took_the_others_along) {
  os::TempTree tree;
  tree.file("/proc/mounts",
            "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0\n");
  tree.file("/sys/fs/cgroup/a/b/cgroup.events", "frozen 1\n").file("/sys/fs/cgroup/a/b/cgroup.freeze", "0\n");
  tree.file("/sys/fs/cgroup/a/cgroup.freeze", "1\n");
  tree.file("/sys/fs/cgroup/freezer/x/y/freezer.state", "FROZEN\n");
  tree.file("/sys/fs/cgroup/freezer/x/y/freezer.self_freezing", "0\n");
  tree.file("/sys/fs/cgroup/freezer/x/freezer.self_freezing", "1\n");
  Freezer freezer(tree.root());
  std::string file;
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/a/b", "/"), &file), ProcessState::frozen);
  EXPECT_EQ(file, "/sys/fs/cgroup/a/cgroup.freeze");
  EXPECT_EQ(judged(freezer, ProcessState::disk_wait, in_cgroups("/c", "/x/y"), &file), ProcessState::frozen);
  EXPECT_EQ(file, "/sys/fs/cgroup/freezer/x/freezer.state");
  EXPECT_EQ(judged(freezer, ProcessState::running, in_cgroups("/c", "/"), &file), ProcessState::running);
  EXPECT_EQ(file, "");
}

TEST(PidInside, is_the_last_number_of_several) {
  EXPECT_EQ(parse_pid_inside("Name:\tx\nNSpid:\t4242\t17\t1\nVmRSS: 4 kB\n"), 1u);
  EXPECT_EQ(parse_pid_inside("NSpid:\t4242\n"), 0u) << "ours";
  EXPECT_EQ(parse_pid_inside("NSpid:\t4242\tx\n"), 0u);
  EXPECT_EQ(parse_pid_inside("NSpid:\n"), 0u);
  EXPECT_EQ(parse_pid_inside(""), 0u);
}

}  // namespace
}  // namespace tcpadvisor::sources::process_life_test
