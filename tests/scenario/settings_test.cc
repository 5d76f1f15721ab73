// SPDX-License-Identifier: Apache-2.0
// Settings of a namespace that harm, or would if something went wrong.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::settings_test {
namespace {

using nlohmann::json;

struct Setting {
  std::string fault, id, severity, says, knob;
};

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all{
      {"time-wait-overflow", "tw-bucket-overflow", "warning", "without TIME_WAIT", "net.ipv4.tcp_max_tw_buckets"},
      {"abort-on-overflow", "abort-on-overflow-set", "warning", "reset", "net.ipv4.tcp_abort_on_overflow"},
      {"recovery-settings", "recovery-settings", "info", "tcp_sack", "net.ipv4.tcp_sack"},
  };
  return all;
}

TEST(Settings, EachIsNamedInItsOwnNamespaceAndNowhereElse) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  std::map<std::string, std::unique_ptr<Fault>> faults;
  for (const Setting& setting : settings()) {
    faults[setting.fault] = std::make_unique<Fault>(std::vector<std::string>{setting.fault, "--own-netns"});
  }
  const json said = report();
  for (const Setting& wanted : settings()) {
    SCOPED_TRACE(wanted.fault);
    const Fault& fault = *faults[wanted.fault];
    if (!fault.skipped().empty()) continue;
    ASSERT_TRUE(fault.stands()) << fault.error();
    std::vector<json> found;
    for (const json& finding : said.value("findings", json::array())) {
      const bool settings_rule =
          std::ranges::any_of(settings(), [&](const Setting& one) { return one.id == finding.value("id", ""); });
      if (settings_rule && concerns(finding, fault.subject())) found.push_back(finding);
    }
    ASSERT_EQ(found.size(), 1U) << said.dump(2);
    const json& finding = found.front();
    EXPECT_EQ(finding.value("id", ""), wanted.id) << finding.dump(2);
    EXPECT_EQ(finding.value("severity", ""), wanted.severity) << finding.dump(2);
    EXPECT_TRUE(finding.dump().contains(wanted.says)) << finding.dump(2);
    const json cure = finding.value("recommendation", json::object());
    EXPECT_EQ(cure.value("knob", ""), wanted.knob) << finding.dump(2);
    EXPECT_TRUE(cure.value("scope", "").starts_with("netns ")) << finding.dump(2);
  }
}

/// A table cannot be filled without a change of the host's limit, so the policy says that an 80th of it is full.
TEST(Settings, ATableOfTrackedConnectionsIsFullWhereThePolicySaysSo) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Fault fault({"conntrack-entries", "--own-netns"});
  if (!fault.skipped().empty()) GTEST_SKIP() << fault.skipped();
  ASSERT_TRUE(fault.stands()) << fault.error();
  std::string policy = testing::TempDir() + "conntrack-policy-XXXXXX";
  os::UniqueFd file(mkstemp(policy.data()));
  const std::string text = "windows = 2\nwindow = \"1s\"\n[rule.conntrack-full]\nfull_share = 0.0125\n";
  ASSERT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  auto about_it = [&](const json& said) {
    std::vector<json> found;
    for (const json& finding : said.value("findings", json::array())) {
      if (finding.value("id", "") == "conntrack-full" && concerns(finding, fault.subject())) found.push_back(finding);
    }
    return found;
  };
  const std::vector<json> found = about_it(report({"--policy", policy, "--for", "4s"}));
  unlink(policy.c_str());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().value("severity", ""), "warning") << found.front().dump(2);
  EXPECT_EQ(found.front()["recommendation"].value("knob", ""), "net.netfilter.nf_conntrack_max")
      << found.front().dump(2);
  EXPECT_EQ(found.front()["recommendation"].value("scope", ""), "host") << found.front().dump(2);
  EXPECT_TRUE(about_it(report({"--policy", "default", "--for", "4s"})).empty()) << "there is room for 79 times as many";
}

}  // namespace
}  // namespace tcpadvisor::scenario::settings_test
