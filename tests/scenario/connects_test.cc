// SPDX-License-Identifier: Apache-2.0
// Seven ways in which connect() fails, and seven answers; and hosts with many ports in use that have enough of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::connects_test {
namespace {

using nlohmann::json;

struct Way {
  std::string fault, id, says, finding_class, knob;
};

const std::vector<Way>& ways() {
  static const std::vector<Way> all{
      {"connect-refused", "connects-fail", "refused", "application", ""},
      {"connect-no-answer", "connects-fail", "without any answer", "network-path", ""},
      {"connect-no-route", "connects-fail", "unreachable", "network-path", ""},
      {"connect-given-up", "connects-fail", "given up by the program after 1", "network-path", ""},
      {"connect-no-port", "port-exhaustion", "are used up", "capacity", "net.ipv4.ip_local_port_range"},
      {"connect-no-bind-port", "port-exhaustion", "are used up by bind() before connect()", "application", ""},
  };
  return all;
}

bool hooks_see_connects(const json& said) {
  const json source = said.value("coverage", json::object()).value("connects", json());
  return source.is_string() && source.get<std::string>().find("tp_btf") != std::string::npos;
}

TEST(Connects, EachWayToFailHasItsOwnAnswer) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  std::map<std::string, std::unique_ptr<Fault>> faults;
  for (const Way& way : ways()) {
    faults[way.fault] = std::make_unique<Fault>(std::vector<std::string>{way.fault, "--own-netns"});
  }
  const json said = report();
  if (!hooks_see_connects(said)) {
    GTEST_SKIP() << "no hook sees failed attempts here";
  }
  for (const Way& way : ways()) {
    const Fault& fault = *faults[way.fault];
    SCOPED_TRACE(way.fault);
    if (!fault.skipped().empty()) continue;
    ASSERT_TRUE(fault.stands()) << fault.error();
    expect_alarms(said, fault.subject(),
                  {{.id = way.id, .pid = fault.pid(), .count = {}, .aged = false, .knob = way.knob}});
    for (const json& finding : alarms(said, fault.subject())) {
      EXPECT_NE(finding.value("title", "").find(way.says), std::string::npos) << finding.dump(2);
      EXPECT_EQ(finding.value("class", ""), way.finding_class) << finding.dump(2);
    }
  }
}

TEST(Connects, AFullQueueOnThisHostIsTheCauseOfThoseThatWait) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Fault fault({"connect-listener-full", "--own-netns"});
  ASSERT_TRUE(fault.stands()) << fault.skipped() << fault.error();
  const json said = report();
  const std::vector<json> loud = alarms(said, fault.subject());
  ASSERT_EQ(loud.size(), 1U) << said.dump(2);
  EXPECT_EQ(loud.front()["scope"].value("pid", 0U), fault.pid()) << loud.front().dump(2);
  if (!hooks_see_connects(said)) {
    GTEST_SKIP() << "no hook sees failed attempts here";
  }
  const json findings = said.value("findings", json::array());
  const auto effect = std::ranges::find_if(findings, [&](const json& finding) {
    return finding.value("id", "") == "connects-fail" && finding["scope"].value("pid", 0U) == fault.peer_pid();
  });
  ASSERT_NE(effect, findings.end()) << said.dump(2);
  EXPECT_NE(effect->value("title", "").find("listener's queue is full"), std::string::npos);
  EXPECT_EQ(effect->value("cause", ""), loud.front().value("instance", "?"));
}

TEST(Connects, ManyListenersAndTimeWaitAtAServersPortAreNoShortage) {
  if (const std::string why = why_not_root(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  std::vector<std::string> busy{"server-time-wait", "--own-netns"};
  if (in_guest()) busy.insert(busy.end(), {"--count", "2000"});
  const Fault listeners({"many-listeners", "--own-netns"}), server(busy);
  ASSERT_TRUE(listeners.stands() && server.stands()) << listeners.error() << server.error();
  const json said = report();
  expect_alarms(said, listeners.subject(), {});
  expect_alarms(said, server.subject(), {});
  for (const json& finding : said.value("findings", json::array())) {
    bool of_ours = concerns(finding, listeners.subject()) || concerns(finding, server.subject());
    EXPECT_FALSE(of_ours && finding.value("id", "") == "port-exhaustion") << finding.dump(2);
  }
}

}  // namespace
}  // namespace tcpadvisor::scenario::connects_test
