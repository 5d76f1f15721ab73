// SPDX-License-Identifier: Apache-2.0
// Settings of a namespace that harm, or would if something went wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario {
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

}  // namespace
}  // namespace tcpadvisor::scenario
