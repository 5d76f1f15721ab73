// SPDX-License-Identifier: Apache-2.0
// Connections that end badly, or that nobody ends: each is told of its own namespace, as a warning only where it hurts.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::ends_test {
namespace {

using nlohmann::json;

class Ends : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_not_root(); !why.empty()) GTEST_SKIP() << why;
    if (in_guest()) GTEST_SKIP() << "not on emulated processors: it asks nothing of the kernel that others do not ask";
  }
};

/// A report by the lab's windows and these lines of a policy file.
json report_by(const std::string& lines) {
  std::string path = testing::TempDir() + "ends-policy-XXXXXX";
  os::UniqueFd file(mkstemp(path.data()));
  const std::string text = "windows = 2\nwindow = \"1s\"\nage = \"5s\"\nmin_count = 10\n" + lines;
  EXPECT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  json said = report({"--policy", path, "--for", "6s"});
  unlink(path.c_str());
  return said;
}

std::vector<json> said_of(const json& said, const Fault& fault, const std::string& id) {
  std::vector<json> found;
  for (const json& finding : said.value("findings", json::array())) {
    if (finding.value("id", "") == id && concerns(finding, fault.subject())) found.push_back(finding);
  }
  return found;
}

TEST_F(Ends, OrphansAreToldAndAreAWarningNearTheLimit) {
  const Fault fault({"orphans", "--own-netns"});
  if (!fault.skipped().empty()) GTEST_SKIP() << fault.skipped();
  ASSERT_TRUE(fault.stands()) << fault.error();
  const json quiet = report_by("");
  ASSERT_EQ(said_of(quiet, fault, "orphan-buildup").size(), 1U) << quiet.dump(2);
  EXPECT_TRUE(alarms(quiet, fault.subject()).empty()) << quiet.dump(2);
  // The host's limit cannot be lowered for a test, so the policy says that a few of it are many.
  const json said = report_by("[rule.orphan-buildup]\nlimit_share = 0.00001\n");
  const std::vector<json> found = said_of(said, fault, "orphan-buildup");
  ASSERT_EQ(found.size(), 1U) << said.dump(2);
  const std::string text = found.front().dump(2);
  EXPECT_EQ(found.front().value("severity", ""), "warning") << text;
  EXPECT_EQ(found.front()["scope"].value("count", 0U), fault.count()) << text;
  for (const char* words : {"10.78.0.2", "TCP_USER_TIMEOUT", "tcp_fin_timeout", "tcp_orphan_retries hardly"}) {
    EXPECT_TRUE(text.contains(words)) << words << text;
  }
}

/// One fault that the lab's policy must name, with these words, as nobody else does.
void expect_named(const std::string& name, const std::string& id, const std::string& severity,
                  const std::vector<std::string>& words) {
  const Fault fault({name, "--own-netns"});
  if (!fault.skipped().empty()) GTEST_SKIP() << fault.skipped();
  ASSERT_TRUE(fault.stands()) << fault.error();
  const json said = report();
  const std::vector<json> found = said_of(said, fault, id);
  ASSERT_EQ(found.size(), 1U) << said.dump(2);
  const std::string text = found.front().dump(2);
  EXPECT_EQ(found.front().value("severity", ""), severity) << text;
  for (const std::string& word : words) EXPECT_TRUE(text.contains(word)) << word << text;
  for (const json& alarm : alarms(said, fault.subject())) EXPECT_EQ(alarm.value("id", ""), id) << alarm.dump(2);
}

TEST_F(Ends, ACloseThatWaitsForItsPeerIsNamed) {
  expect_named("linger-close", "so-linger-misuse", "warning",
               {"close() stands still in", "10.78.0.2:443", "SO_LINGER 1m"});
}

TEST_F(Ends, ResetsThatLoseAnswersAreAWarning) {
  expect_named("linger-loses", "so-linger-misuse", "warning", {"SO_LINGER 0", "tcpfault-server[", "was not ackn"});
}

TEST_F(Ends, ClientsThatHaveVanishedAreNamedByWhoKeepsThem) {
  expect_named("vanished-clients", "established-dead-peer-leak", "warning",
               {"tcpfault-server[", "40 connections whose other ends no longer exist", "SO_KEEPALIVE"});
}

TEST_F(Ends, WhatAnEventLoopForgetsIsNamed) {
  expect_named("stands-still", "unread-forgotten", "warning",
               {"tcpfault-server[", "reads none of its connections", "30 connections"});
  expect_named("unread-forgotten", "unread-forgotten", "warning", {"tcpfault-server[", "12 connections", "EPOLLET"});
}

TEST_F(Ends, AConnectionForEachRequestIsTold) {
  expect_named("connection-per-request", "connection-per-request", "info", {"10.77.0.2", "keep-alive"});
}

/// So many as would matter are too many for a test: the policy says that a few are.
TEST_F(Ends, WhatConnectionsTakeOfTheMemoryIsTold) {
  const Fault fault({"pool", "--own-netns"});
  ASSERT_TRUE(fault.stands()) << fault.error();
  const json said = report_by("[rule.high-connection-memory-budget]\nmany_sockets = 100\nshare_of_memory = 0.000001\n");
  const json findings = said.value("findings", json::array());
  const auto found = std::ranges::find_if(
      findings, [](const json& one) { return one.value("id", "") == "high-connection-memory-budget"; });
  ASSERT_NE(found, findings.end()) << said.dump(2);
  EXPECT_EQ(found->value("severity", ""), "info") << found->dump(2);
  EXPECT_GE((*found)["scope"].value("count", 0U), 600U) << found->dump(2);
}

}  // namespace
}  // namespace tcpadvisor::scenario::ends_test
