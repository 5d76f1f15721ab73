// SPDX-License-Identifier: Apache-2.0
// The agent only looks: it writes no setting, and nothing of it stays in the kernel, not even after kill -9.
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "agent/os/unique_fd.h"
#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::harmless_test {
namespace {

namespace fs = std::filesystem;

constexpr Millis kPatience{150'000};

/// All readable settings of the network, as a user would see them with `sysctl -a`.
std::map<std::string, std::string> network_settings() {
  std::map<std::string, std::string> settings;
  for (const auto& entry :
       fs::recursive_directory_iterator("/proc/sys/net", fs::directory_options::skip_permission_denied)) {
    std::ifstream file(entry.path());
    std::stringstream text;
    // conntrack's counter is a measurement among settings.
    if (entry.is_regular_file() && entry.path().filename() != "nf_conntrack_count" && file && text << file.rdbuf()) {
      settings[entry.path()] = text.str();
    }
  }
  return settings;
}

std::vector<std::string> short_report() {
  return {agent_binary(), "report", "--for", "3s", "--policy", "lab", "--format", "json"};
}
std::vector<std::string> one_screen() {
  return {agent_binary(), "watch", "--once"};
}

TEST(Harmless, SettingsAreTheSameBeforeAndAfter) {
  const auto before = network_settings();
  ASSERT_GT(before.size(), 100U);
  for (const auto& command : {short_report(), one_screen()}) {
    const Ended ended = run(command, kPatience);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
  }
  const auto after = network_settings();
  for (const auto& [path, value] : before) {
    // An interface may have gone in the meantime, and its settings with it.
    if (const auto now = after.find(path); now != after.end()) {
      EXPECT_EQ(now->second, value) << path;
    }
  }
}

TEST(Harmless, OpensNoSettingForWriting) {
  if (!in_path("strace")) {
    GTEST_SKIP() << "strace is not installed here";
  }
  const fs::path trace = fs::temp_directory_path() / ("scenario-strace-" + std::to_string(getpid()));
  for (const auto& command : {short_report(), one_screen()}) {
    std::vector<std::string> traced{"strace", "-f", "-qq", "-e", "trace=openat,open,creat,write", "-o", trace};
    traced.insert(traced.end(), command.begin(), command.end());
    const Ended ended = run(traced, kPatience);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    std::ifstream lines(trace);
    int opened = 0;
    static const std::regex writes("creat\\(|O_WRONLY|O_RDWR");
    for (std::string line; std::getline(lines, line);) {
      opened += line.find("open") != std::string::npos ? 1 : 0;
      EXPECT_FALSE(line.find("/proc/sys") != std::string::npos && std::regex_search(line, writes)) << line;
    }
    EXPECT_GT(opened, 10) << "strace saw nothing";
  }
  fs::remove(trace);
}

/// Identifiers of BPF objects that a process holds, from its descriptors: "prog_id", "map_id" and "link_id".
using BpfIds = std::map<std::string, std::set<std::uint32_t>>;

BpfIds bpf_ids_of(pid_t pid) {
  BpfIds ids;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo", error)) {
    std::ifstream file(entry.path());
    std::map<std::string, std::uint32_t> here;
    for (std::string line; std::getline(file, line);) {
      for (const char* key : {"prog_id", "map_id", "link_id"}) {
        if (line.rfind(std::string(key) + ":", 0) == 0) {
          here[key] = static_cast<std::uint32_t>(std::stoul(line.substr(std::strlen(key) + 1)));
        }
      }
    }
    for (const auto& [key, id] : here) {
      ids[key].insert(id);
    }
  }
  return ids;
}

bool exists_in_kernel(const std::string& key, std::uint32_t id) {
  union bpf_attr attr{};
  attr.prog_id = id;  // the three kinds share the place of their id
  const int command = key == "prog_id"  ? BPF_PROG_GET_FD_BY_ID
                      : key == "map_id" ? BPF_MAP_GET_FD_BY_ID
                                        : BPF_LINK_GET_FD_BY_ID;
  return static_cast<bool>(os::UniqueFd(static_cast<int>(syscall(SYS_bpf, command, &attr, sizeof attr))));
}

int still_in_kernel(const BpfIds& ids) {
  int count = 0;
  for (const auto& [key, numbers] : ids) {
    for (const std::uint32_t id : numbers) {
      count += exists_in_kernel(key, id) ? 1 : 0;
    }
  }
  return count;
}

class AfterTheAgent : public testing::TestWithParam<int> {};

TEST_P(AfterTheAgent, NothingOfItStaysInTheKernel) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs root to load BPF programs and to look for them";
  }
  Child agent({agent_binary(), "watch", "--json", "--for", "5m"});
  // The first line is the first tick: everything is attached.
  ASSERT_TRUE(agent.read_line(kPatience)) << agent.wait(Millis{100}).err;
  const BpfIds ids = bpf_ids_of(agent.pid());
  ASSERT_TRUE(ids.contains("prog_id") || ids.contains("link_id")) << "the agent runs without BPF: nothing was tested";
  EXPECT_GT(still_in_kernel(ids), 0);

  agent.signal(GetParam());
  const Ended ended = agent.wait(Millis{20'000});
  EXPECT_EQ(ended.exit_code, 128 + GetParam()) << ended.err;
  // The kernel frees programs after a grace period.
  for (int i = 0; i < 100 && still_in_kernel(ids) > 0; ++i) {
    std::this_thread::sleep_for(Millis{100});
  }
  EXPECT_EQ(still_in_kernel(ids), 0);
}

INSTANTIATE_TEST_SUITE_P(Signals, AfterTheAgent, testing::Values(SIGKILL, SIGTERM, SIGINT),
                         [](const auto& tested) { return std::string("Signal") + std::to_string(tested.param); });

}  // namespace
}  // namespace tcpadvisor::scenario::harmless_test
