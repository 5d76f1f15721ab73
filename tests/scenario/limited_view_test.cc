// SPDX-License-Identifier: Apache-2.0
// With fewer rights or sources: what can still be known is right, the rest is named as not assessed, and nothing is
// called fine that could not be seen.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "agent/os/unique_fd.h"
#include "tests/scenario/agent_report.h"
#include "tests/scenario/netns.h"

namespace tcpadvisor::scenario::limited_view_test {
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
    copy("TCPADVISOR_BIN", agent_binary());
    copy("TCPFAULT_BIN", fault_binary());
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

class LimitedView : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_not_root(); !why.empty()) {
      GTEST_SKIP() << why;
    }
  }
};

TEST_F(LimitedView, SaysWhatItKnowsAndWhatNot) {
  const PublicCopies copies;
  const os::UniqueFd netns = new_netns();
  const ChildOptions as_nobody{.env = {}, .uid = kNobody, .netns_fd = netns.get()};
  const ChildOptions as_root{.env = {}, .uid = {}, .netns_fd = netns.get()};
  const Fault leak({"close-wait"}, as_nobody);
  const Fault unaccepted({"close-wait-unaccepted"}, as_nobody);
  const Fault reader({"slow-reader"}, as_nobody);
  const Fault dead({"closed-fd-leak"}, as_root);
  const Fault locked({"rcvbuf-locked"}, as_root);
  for (const Fault* fault : {&leak, &unaccepted, &reader, &dead}) {
    ASSERT_TRUE(fault->stands()) << fault->skipped() << fault->error();
  }

  auto started = [](std::vector<std::string> arguments, const ChildOptions& options) {
    return std::async(std::launch::async, [=] { return report(arguments, options); });
  };
  auto unprivileged = started({}, as_nobody);
  auto netlink = started({"--hooks", "none", "--sources", "netlink"}, as_root);
  auto procfs = started({"--sources", "procfs"}, as_root);

  const Subject here{.pids = {}, .netns = {tcpfault::netns_inode(netns.get())}};
  const Subject ours{.pids = {leak.pid(), unaccepted.pid(), reader.pid(), dead.pid()}, .netns = {}};
  const std::vector<Expected> leaks{leaked("close-wait-leak", leak.pid(), leak.count()),
                                    leaked("close-wait-unaccepted", unaccepted.pid(), unaccepted.count())};
  std::vector<Expected> with_reader = leaks;
  with_reader.push_back(
      {.id = "reader-too-slow", .pid = reader.pid(), .count = reader.count(), .aged = false, .knob = {}});

  struct View {
    const char* name;
    json said;
    const std::vector<Expected>& expected;
    std::vector<std::string> unknown;  ///< rules whose fault is there, but not in this view
  };
  const View views[] = {
      {"unprivileged", unprivileged.get(), with_reader, {"closed-socket-fd-leak"}},
      {"netlink", netlink.get(), with_reader, {"closed-socket-fd-leak"}},
      {"procfs",
       procfs.get(),
       leaks,
       {"closed-socket-fd-leak", "reader-too-slow", "accept-queue-app-slow", "backlog-too-small"}},
  };
  for (const View& view : views) {
    SCOPED_TRACE(view.name);
    // Before 6.2 sock_diag does not tell the window: then the slow reader is one of the unknowns.
    const bool no_window = in_guest() && not_assessed(view.said, "reader-too-slow").has_value();
    expect_alarms(view.said, ours, no_window ? leaks : view.expected);
    EXPECT_LE(alarms(view.said, here).size(), view.expected.size());
    expect_whole(view.said);
    expect_unknown(view.said, view.unknown);
    if (locked.stands()) {
      // Whether the application has fixed a buffer's size is in none of these sources.
      expect_unknown(view.said, {"rcvbuf-locked-by-app"});
    }
  }
}

TEST_F(LimitedView, InAContainerPidsAreThoseOfItsOwnProc) {
  if (!in_path("unshare")) GTEST_SKIP() << "no unshare";
  // Agent and fault in a pid namespace of their own, as in a container without the host's.
  const std::string script = "story=$(mktemp); '" + fault_binary() +
                             "' close-wait --own-netns --hold 60s >$story & "
                             "for i in $(seq 100); do grep -q ready $story && break; sleep 0.1; done; '" +
                             agent_binary() + "' report --for 8s --policy lab --format json; cat $story; rm $story";
  const Ended ended = run({"unshare", "-mpf", "--mount-proc", "sh", "-c", script}, std::chrono::seconds(60));
  std::istringstream out(ended.out);
  json said, story;
  out >> said >> story;
  const std::uint32_t pid = story.value("pid", 0u);
  ASSERT_GT(pid, 0u) << ended.out << ended.err;
  EXPECT_LT(pid, 100u) << "a number of the inner namespace";
  const Subject subject{.pids = {pid}, .netns = {}};
  expect_alarms(said, subject, {leaked("close-wait-leak", pid, story.value("count", 0u))});
}

const json* finding_of(const json& said, const std::string& id) {
  const auto findings = said.find("findings");
  if (findings == said.end()) return nullptr;
  for (const json& finding : *findings) {
    if (finding.value("id", "") == id) return &finding;
  }
  return nullptr;
}

TEST_F(LimitedView, FromOutsideAProcessInAContainerHasBothPids) {
  if (!in_path("unshare")) GTEST_SKIP() << "no unshare";
  Child container({"unshare", "-mpf", "--mount-proc", fault_binary(), "close-wait", "--own-netns", "--hold", "60s"});
  const json story = json::parse(container.read_line(std::chrono::seconds(20)).value_or("{}"));
  const auto inside = story.value("pid", 0u);
  ASSERT_GT(inside, 0u) << story;
  for (const char* sources : {"auto", "netlink"}) {
    SCOPED_TRACE(sources);
    const json said = report({"--only", "close-wait-leak", "--sources", sources});
    bool found = false;
    for (const json& finding : said.value("findings", json::array())) {
      const json& scope = finding["scope"];
      if (scope.value("pid_inside", 0u) != inside || scope.value("count", 0u) != story.value("count", 0u)) continue;
      found = true;
      EXPECT_NE(scope.value("pid", 0u), inside);
      std::ifstream comm(fmt::format("/proc/{}/comm", scope.value("pid", 0u)));
      std::string name;
      std::getline(comm, name);
      EXPECT_EQ(name, scope.value("comm", "")) << "a number of our own /proc";
    }
    EXPECT_TRUE(found) << said.dump(2);
  }
  const Ended text = run({agent_binary(), "report", "--for", "6s", "--policy", "lab"}, std::chrono::seconds(60));
  EXPECT_TRUE(text.out.contains(fmt::format("(pid {} inside its", inside))) << text.out;
}

TEST_F(LimitedView, FromInsideAContainerWhoIsOutsideHasNoPid) {
  if (!in_path("unshare")) GTEST_SKIP() << "no unshare";
  const os::UniqueFd netns = new_netns();
  const ChildOptions there{.env = {}, .uid = {}, .netns_fd = netns.get()};
  const Fault leak({"close-wait"}, there);  // as the programs of a pod, or of the host's network
  ASSERT_TRUE(leak.stands()) << leak.skipped() << leak.error();
  auto inside = [&](std::vector<std::string> arguments) {
    std::vector<std::string> command{"unshare", "-mpf", "--mount-proc", agent_binary()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(command, std::chrono::seconds(60), there).out;
  };
  const json said =
      json::parse(inside({"report", "--for", "8s", "--policy", "lab", "--format", "json"}), nullptr, false);
  const json* finding = finding_of(said, "close-wait-leak");
  ASSERT_TRUE(finding) << said.dump(2);
  const json& scope = (*finding)["scope"];
  EXPECT_FALSE(scope.contains("pid")) << scope;
  EXPECT_EQ(scope.value("holder", ""), "outside this container") << scope;
  EXPECT_EQ(scope.value("count", std::uint64_t{0}), leak.count());
  EXPECT_TRUE(finding->value("title", "").contains("outside this container"));

  const std::string text = inside({"report", "--for", "8s", "--policy", "lab"});
  EXPECT_TRUE(text.contains("outside this container")) << text;
  EXPECT_FALSE(text.contains("[0]") || text.contains("pid 0") || text.contains("pid=0")) << text;
  const json tick = json::parse(inside({"watch", "--json", "--once"}), nullptr, false);
  bool shown = false;
  for (json end : tick.value("connections", json::array())) {
    if (end.value("state", "") != "CLOSE_WAIT") end = end["other_end"];  // the near end is the client's
    if (!end.is_object() || end.value("state", "") != "CLOSE_WAIT") continue;
    shown = true;
    EXPECT_TRUE(end["pid"].is_null()) << end;
    EXPECT_EQ(end.value("holder", ""), "outside this container") << end;
  }
  EXPECT_TRUE(shown) << tick.dump(2).substr(0, 2'000);
}

}  // namespace
}  // namespace tcpadvisor::scenario::limited_view_test
