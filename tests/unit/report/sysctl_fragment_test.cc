// SPDX-License-Identifier: Apache-2.0
// The sysctl.d fragment: what counts, what is a comment, and that sysctl(8) takes it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "advisor/knobs/knobs.h"
#include "tests/unit/report/situations.h"

namespace tcpadvisor::sysctl_fragment_test {
namespace {

using situation::Situation;
using situation::situations;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string fragment_of(const Report& report) {
  return find_report_format("sysctl")->render(report, {});
}

/// What sysctl(8) would set: lines that are neither empty nor comments.
std::vector<std::string> lines_that_count(const std::string& fragment) {
  std::vector<std::string> out;
  std::istringstream lines(fragment);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != '#' && line[0] != ';') out.push_back(line);
  }
  return out;
}

Report with_all_automatic() {
  Report report = situation::report_of(situation::settings_window());
  for (Finding& finding : report.verdict.findings) {
    if (finding.recommendation.change) finding.recommendation.applicability = Applicability::automatic;
  }
  return report;
}

TEST(SysctlFragment, sets_only_what_is_safe_by_itself_in_this_namespace) {
  const std::string fragment = fragment_of(with_all_automatic());
  EXPECT_THAT(lines_that_count(fragment),
              ElementsAre("net.core.somaxconn = 1024", "net.ipv4.tcp_rmem = 4096 65536 131072",
                          "net.ipv4.tcp_window_scaling = 1"));
  EXPECT_THAT(fragment, HasSubstr("old value: net.core.somaxconn = 16\n"));
  EXPECT_THAT(fragment, HasSubstr("(backlog-too-small)"));
  EXPECT_THAT(fragment, HasSubstr("#net.ipv4.tcp_moderate_rcvbuf = 1\n")) << "it is for the namespace of a pod";
  EXPECT_THAT(fragment, HasSubstr("for good: as /etc/sysctl.d/99-zz-tcpadvisor.conf")) << "after what sets it now";
}

TEST(SysctlFragment, what_a_person_has_to_decide_is_a_comment) {
  Report report = with_all_automatic();
  for (Finding& finding : report.verdict.findings) {
    if (finding.recommendation.change) finding.recommendation.applicability = Applicability::needs_review;
  }
  const std::string fragment = fragment_of(report);
  EXPECT_THAT(lines_that_count(fragment), IsEmpty());
  EXPECT_THAT(fragment, HasSubstr("# Nothing to change"));
  EXPECT_THAT(fragment, HasSubstr("\n#net.core.somaxconn = 1024\n"));
}

TEST(SysctlFragment, a_value_that_the_kernel_does_not_take_and_a_second_line_are_comments) {
  Report report = with_all_automatic();
  for (Finding& finding : report.verdict.findings) {
    auto& change = finding.recommendation.change;
    if (change && change->knob == "net.core.somaxconn") change->target = {find_knob(change->knob)->most + 1};
    if (change && change->knob == "net.ipv4.tcp_window_scaling") change->knob = "net.ipv4.tcp_rmem";
  }
  EXPECT_THAT(lines_that_count(fragment_of(report)), ElementsAre("net.ipv4.tcp_rmem = 4096 65536 131072"));
}

TEST(SysctlFragment, no_name_makes_a_line_of_its_own) {
  for (const Situation& one : situations()) {
    const Report report = situation::report_of(one.window());
    std::vector<std::string> safe;
    for (const Finding& finding : report.verdict.findings) {
      const Recommendation& cure = finding.recommendation;
      if (cure.change && cure.applicability == Applicability::automatic && cure.change->host_netns)
        safe.push_back(fmt::format("{} = {}", cure.change->knob, values_text(cure.change->target)));
    }
    EXPECT_EQ(lines_that_count(fragment_of(report)), safe) << one.name;
  }
}

TEST(SysctlFragment, sysctl_takes_it_in_a_namespace_of_its_own) {
  if (geteuid() != 0 || std::system("unshare -n sysctl --version >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs root, unshare(1) and sysctl(8)";
  }
  const auto path = std::filesystem::path(testing::TempDir()) / fmt::format("tcpadvisor-{}.conf", getpid());
  std::ofstream(path) << fragment_of(with_all_automatic());
  const std::string script = fmt::format(
      "sysctl -qw net.core.somaxconn=16 net.ipv4.tcp_window_scaling=0 net.ipv4.tcp_moderate_rcvbuf=0 && sysctl -p '{}' "
      "&& "
      "test \"$(sysctl -n net.core.somaxconn net.ipv4.tcp_window_scaling net.ipv4.tcp_moderate_rcvbuf | xargs)\" = "
      "\"1024 1 0\" && test \"$(sysctl -n net.ipv4.tcp_rmem | xargs)\" = \"4096 65536 131072\"",
      path.string());
  EXPECT_EQ(std::system(fmt::format("unshare -n sh -c '{}' 2>&1 >/dev/null",
                                    [&] {
                                      std::string quoted;
                                      for (char c : script)
                                        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
                                      return quoted;
                                    }())
                            .c_str()),
            0);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace tcpadvisor::sysctl_fragment_test
