// SPDX-License-Identifier: Apache-2.0
// Healthy controls: whatever they look like, nothing in them asks for action, under the default policy as under the one
// for trials.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::controls_test {
namespace {

using nlohmann::json;

struct Control {
  std::string name;
  bool silent = true;  ///< not a word; else what is said is said as info
};

const std::vector<Control>& controls() {
  static const std::vector<Control> all{
      {"half-close"},       {"pool"},
      {"idle-pool", false}, {"busy-server"},
      {"prefork"},          {"healthy"},
      {"reuseport-even"},   {"many-listeners"},
      {"fast-open"},        {"defer-accept"},
      {"keepalive"},        {"few-at-a-time"},
      {"own-limit"},        {"ipv6-first", false},
      {"stray-segments"},   {"linger-aborts", false},
  };
  return all;
}

class HealthyControls : public testing::TestWithParam<std::string> {};

TEST_P(HealthyControls, AskForNothing) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  if (in_guest()) {
    GTEST_SKIP() << "not on emulated processors: that many at once would be slow for everybody";
  }
  static std::vector<std::unique_ptr<Fault>> standing;  // for both policies
  if (standing.empty()) {
    for (const Control& control : controls()) {
      standing.push_back(std::make_unique<Fault>(std::vector<std::string>{control.name, "--own-netns"}));
    }
  }
  const json said = report({"--policy", GetParam()});
  for (std::size_t i = 0; i < standing.size(); ++i) {
    SCOPED_TRACE(controls()[i].name);
    if (!standing[i]->skipped().empty()) continue;
    EXPECT_TRUE(standing[i]->stands()) << standing[i]->error();
    for (const json& finding : said.value("findings", json::array())) {
      // That many TIME_WAIT entries are normal is said of a host that is asked to change nothing.
      if (!concerns(finding, standing[i]->subject()) || finding.value("id", "") == "do-nothing") continue;
      EXPECT_EQ(finding.value("severity", ""), "info") << finding.dump(2);
      EXPECT_FALSE(controls()[i].silent) << finding.dump(2);
    }
  }
  if (GetParam() == "default") standing.clear();  // the last of both
}

/// They grow for most of the time that we look, and then no more: nobody is accused.
TEST(HealthyStart, ConnectionsThatAreOpenedAtTheStartAreNoLeak) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Fault fault({"fills-up", "--own-netns"});
  ASSERT_TRUE(fault.stands()) << fault.skipped() << fault.error();
  expect_alarms(report(), fault.subject(), {});
}

INSTANTIATE_TEST_SUITE_P(Policies, HealthyControls, testing::Values("lab", "default"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace tcpadvisor::scenario::controls_test
