// SPDX-License-Identifier: Apache-2.0
// What the threads of the real binary may do while it runs. Needs root for the capabilities to be there at all.
// TCPADVISOR_BIN is the binary.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "agent/os/privileges.h"
#include "agent/os/unique_fd.h"
#include "tests/unit/os/temp_tree.h"

namespace tcpadvisor::guard_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// The binary with some arguments, its stdout and stderr in one pipe.
class Agent {
 public:
  explicit Agent(std::vector<std::string> arguments) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    out_ = os::UniqueFd(ends[0]);
    os::UniqueFd in(ends[1]);
    const char* bin = std::getenv("TCPADVISOR_BIN");
    arguments.insert(arguments.begin(), bin != nullptr ? bin : "");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in.get(), STDOUT_FILENO);
      dup2(in.get(), STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(99);
    }
  }
  ~Agent() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  pid_t pid() const { return pid_; }
  std::vector<os::ThreadPrivileges> threads() const { return os::threads_of(os::ProcRoot(), std::to_string(pid_)); }
  /// Waits until it observes: then all its threads are there.
  bool observes() const {
    for (int i = 0; i < 600; ++i, std::this_thread::sleep_for(50ms)) {
      for (const auto& thread : threads()) {
        if (thread.name == "observer") return true;
      }
    }
    return false;
  }
  /// Its exit code; what it printed is in `said`.
  int wait() {
    char buffer[4096];
    for (ssize_t got = 0; (got = read(out_.get(), buffer, sizeof buffer)) > 0;)
      said.append(buffer, static_cast<std::size_t>(got));
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string said;

 private:
  os::UniqueFd out_;
  pid_t pid_ = -1;
};

void expect_one_privileged_thread(const std::vector<os::ThreadPrivileges>& threads) {
  std::vector<std::string> names;
  for (const os::ThreadPrivileges& thread : threads) {
    names.push_back(thread.name);
    EXPECT_TRUE(thread.no_new_privs) << thread.name;
    EXPECT_TRUE(thread.bounding_set_empty) << thread.name;
    if (thread.name == "looker") {
      EXPECT_TRUE(thread.filtered);
      EXPECT_THAT(thread.capabilities,
                  testing::IsSubsetOf({"cap_sys_admin", "cap_sys_ptrace", "cap_bpf", "cap_dac_read_search"}));
    } else {
      EXPECT_THAT(thread.capabilities, testing::IsEmpty()) << thread.name;
    }
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"tcpadvisor", "looker", "observer", "queues"}));
}

class Guard : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    setenv("TCPADVISOR_QUEUES", (tree_.path() + "/queues").c_str(), 1);
  }
  std::string in(const std::string& name) const { return tree_.path() + "/" + name; }

  os::TempTree tree_;
};

TEST_F(Guard, WatchHasOneThreadWithCapabilities) {
  Agent agent({"watch", "--json", "--interval", "200ms"});
  ASSERT_TRUE(agent.observes());
  expect_one_privileged_thread(agent.threads());
}

TEST_F(Guard, WithoutBpfToo) {
  Agent agent({"watch", "--json", "--interval", "200ms", "--sources", "netlink", "--hooks", "none"});
  ASSERT_TRUE(agent.observes());
  expect_one_privileged_thread(agent.threads());
}

TEST_F(Guard, ReportHasOneThreadWithCapabilitiesAndStillWritesItsFile) {
  fs::create_directory(in("out"));
  Agent agent({"report", "--for", "2s", "-o", in("out/report.txt")});
  ASSERT_TRUE(agent.observes());
  expect_one_privileged_thread(agent.threads());
  EXPECT_EQ(agent.wait(), 0) << agent.said;
  EXPECT_GT(fs::file_size(in("out/report.txt")), 100u);
}

TEST_F(Guard, RootMayStillWriteIntoSomebodyElsesDirectory) {
  fs::create_directory(in("theirs"));
  ASSERT_EQ(chown(in("theirs").c_str(), 65534, 65534), 0);
  ASSERT_EQ(chmod(in("theirs").c_str(), 0700), 0);
  Agent agent({"report", "--for", "1s", "-o", in("theirs/report.txt")});
  EXPECT_EQ(agent.wait(), 0) << agent.said;
  EXPECT_GT(fs::file_size(in("theirs/report.txt")), 100u);
}

/// The directory of its output is exchanged for another one while it observes: that one it may not write to.
TEST_F(Guard, ADirectoryThatItWasNotToldOfIsRefused) {
  if (syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) < 1) GTEST_SKIP() << "this kernel has no Landlock";
  fs::create_directory(in("out"));
  fs::create_directory(in("elsewhere"));
  Agent agent({"report", "--for", "2s", "-o", in("out/report.txt")});
  ASSERT_TRUE(agent.observes());
  fs::rename(in("out"), in("moved"));
  fs::create_directory_symlink(in("elsewhere"), in("out"));
  EXPECT_EQ(agent.wait(), 1);
  EXPECT_EQ(agent.said, "tcpadvisor: cannot write " + in("out/report.txt") + ": Permission denied\n");
  EXPECT_TRUE(fs::is_empty(in("elsewhere")));
}

TEST_F(Guard, NothingIsLeftBehind) {
  Agent agent({"watch", "--json", "--interval", "200ms"});
  ASSERT_TRUE(agent.observes());
  EXPECT_FALSE(fs::is_empty(in("queues")));
  kill(agent.pid(), SIGTERM);
  EXPECT_EQ(agent.wait(), 128 + SIGTERM);
  EXPECT_TRUE(fs::is_empty(in("queues"))) << "its socket is removed, though everything else may not be";
}

}  // namespace
}  // namespace tcpadvisor::guard_test
