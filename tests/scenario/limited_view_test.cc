// SPDX-License-Identifier: Apache-2.0
// With fewer rights or sources: what can still be known is right, the rest is named as not assessed, and nothing is
// called fine that could not be seen.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/os/unique_fd.h"
#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario {
namespace {

using nlohmann::json;

constexpr uid_t kNobody = 65'534;

const std::vector<std::string> kRules{"close-wait-leak",          "close-wait-unaccepted",  "closed-socket-fd-leak",
                                      "fin-wait2-orphan-buildup", "fin-wait2-app-held",     "reader-too-slow",
                                      "accept-queue-app-slow",    "backlog-too-small",      "rcvbuf-locked-by-app",
                                      "sndbuf-locked-by-app",     "tcp-mem-pressure-global"};

/// The programs at a place that every user may enter; a checkout below a home directory often is none.
class PublicCopies {
 public:
  PublicCopies() {
    std::string pattern = std::filesystem::temp_directory_path() / "scenario-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    chmod(folder_.c_str(), 0755);
    const char* fault = std::getenv("TCPFAULT_BIN");
    copy("TCPADVISOR_BIN", agent_binary());
    copy("TCPFAULT_BIN",
         fault != nullptr ? fault : std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tcpfault");
  }
  ~PublicCopies() {
    for (const auto& [name, before] : before_) {
      setenv(name.c_str(), before.c_str(), 1);
    }
    std::filesystem::remove_all(folder_);
  }
  PublicCopies(const PublicCopies&) = delete;
  PublicCopies& operator=(const PublicCopies&) = delete;

 private:
  void copy(const std::string& variable, const std::filesystem::path& program) {
    const auto target = folder_ / program.filename();
    std::filesystem::copy_file(program, target);
    chmod(target.c_str(), 0755);
    before_.emplace_back(variable, program);
    setenv(variable.c_str(), target.c_str(), 1);
  }

  std::filesystem::path folder_;
  std::vector<std::pair<std::string, std::string>> before_;
};

/// Every rule has an answer, and every "do not know" a reason.
void expect_whole(const json& said) {
  for (const std::string& rule : kRules) {
    bool found = false;
    for (const json& finding : said.value("findings", json::array())) {
      found = found || finding.value("id", "") == rule;
    }
    const auto reason = not_assessed(said, rule);
    EXPECT_TRUE(found || reason || is_checked_and_fine(said, rule)) << rule << " is not mentioned";
    EXPECT_FALSE(reason && is_checked_and_fine(said, rule)) << rule << " is both fine and not assessed";
    EXPECT_NE(reason, "") << rule;
  }
}

void expect_unknown(const json& said, const std::vector<std::string>& rules) {
  for (const std::string& rule : rules) {
    EXPECT_FALSE(is_checked_and_fine(said, rule)) << rule << " is called fine, but it cannot be seen";
    EXPECT_TRUE(not_assessed(said, rule)) << rule;
  }
}

TEST(LimitedView, SaysWhatItKnowsAndWhatNot) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const PublicCopies copies;
  const os::UniqueFd netns = new_netns();
  const ChildOptions as_nobody{.env = {}, .uid = kNobody, .netns_fd = netns.get()};
  const ChildOptions as_root{.env = {}, .uid = {}, .netns_fd = netns.get()};
  const Fault leak({"close-wait"}, as_nobody);
  const Fault unaccepted({"close-wait-unaccepted"}, as_nobody);
  ASSERT_TRUE(leak.stands()) << leak.skipped() << leak.error();
  ASSERT_TRUE(unaccepted.stands()) << unaccepted.skipped() << unaccepted.error();

  auto started = [](std::vector<std::string> arguments, const ChildOptions& options) {
    return std::async(std::launch::async, [=] { return report(arguments, options); });
  };
  auto unprivileged_run = started({}, as_nobody);
  auto netlink_run = started({"--hooks", "none", "--sources", "netlink", "--netns", "all"}, as_root);
  auto procfs_run = started({"--sources", "procfs"}, as_root);
  const json unprivileged = unprivileged_run.get();
  const json netlink = netlink_run.get();
  const json procfs = procfs_run.get();

  for (const auto& [name, said] : {std::pair("unprivileged", unprivileged), {"netlink", netlink}, {"procfs", procfs}}) {
    SCOPED_TRACE(name);
    Subject both = leak.subject();
    both.pids.insert(both.pids.end(), {unaccepted.pid(), unaccepted.peer_pid()});
    expect_alarms(
        said, both,
        {{.id = "close-wait-leak", .pid = leak.pid(), .count = leak.count(), .aged = true},
         {.id = "close-wait-unaccepted", .pid = unaccepted.pid(), .count = unaccepted.count(), .aged = true}});
    expect_whole(said);
    // Whether the application has fixed a buffer's size is in none of these sources.
    expect_unknown(said, {"rcvbuf-locked-by-app", "sndbuf-locked-by-app"});
  }
  // Descriptors of other users' processes cannot be seen, and a dead socket is nowhere else.
  expect_unknown(unprivileged, {"closed-socket-fd-leak"});
  // /proc/net/tcp has no buffer sizes: how full they are is not known.
  expect_unknown(procfs, {"reader-too-slow"});
}

}  // namespace
}  // namespace tcpadvisor::scenario
