// SPDX-License-Identifier: Apache-2.0
// What programs do with the connections and queues that they have, and what only looks like it.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenario/agent_report.h"

namespace tcpadvisor::scenario::habits_test {
namespace {

using nlohmann::json;

class Habits : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_not_root(); !why.empty()) GTEST_SKIP() << why;
    if (in_guest()) GTEST_SKIP() << "not on emulated processors: it asks nothing of the kernel that others do not ask";
  }
};

std::vector<json> said_of(const json& said, const Fault& fault, const std::string& id) {
  std::vector<json> found;
  for (const json& finding : said.value("findings", json::array())) {
    if (finding.value("id", "") == id && concerns(finding, fault.subject())) found.push_back(finding);
  }
  return found;
}

void expect_words(const json& finding, const std::vector<std::string>& words) {
  const std::string text = finding.dump(2);
  for (const std::string& word : words) EXPECT_TRUE(text.contains(word)) << '"' << word << "\" is missing in " << text;
}

double measured(const json& finding, const std::string& metric) {
  for (const json& one : finding.value("evidence", json::array())) {
    if (one.value("metric", "") == metric) return one.value("value", 0.0);
  }
  ADD_FAILURE() << metric << " is missing in " << finding.dump(2);
  return 0;
}

TEST_F(Habits, WhatACollectorClosesIsToldAndWhatATimerClosesIsNot) {
  const Fault collected({"collected", "--own-netns"}), timer({"idle-timer", "--own-netns"}),
      batch({"asks-at-once", "--own-netns"}), events({"rounds-of-events", "--own-netns"}),
      probes({"rounds-of-probes", "--own-netns"});
  for (const Fault* fault : {&collected, &timer, &batch, &events, &probes})
    ASSERT_TRUE(fault->stands()) << fault->error();
  const json said = report();
  const std::vector<json> found = said_of(said, collected, "closes-in-bursts");
  ASSERT_EQ(found.size(), 1U) << said.dump(2);
  EXPECT_EQ(found[0]["scope"].value("pid", 0U), collected.pid());
  EXPECT_EQ(found[0].value("severity", ""), "warning");
  EXPECT_NEAR(measured(found[0], "closed_per_second"), 50, 25) << "about 60 a second are opened";
  expect_words(found[0], {"does not close its connections", "local ports towards 127.0.0.1", "garbage collector"});
  for (const Fault* fault : {&timer, &batch, &events, &probes}) {
    EXPECT_TRUE(said_of(said, *fault, "closes-in-bursts").empty());
    EXPECT_TRUE(alarms(said, fault->subject()).empty()) << said.dump(2);
  }
}

TEST_F(Habits, ConnectionsThatRestWithoutAnyTimeOutAreToldAsInformation) {
  const Fault without({"no-timeouts", "--own-netns"}), with({"some-timeouts", "--own-netns"});
  for (const Fault* fault : {&without, &with}) {
    if (!fault->skipped().empty()) GTEST_SKIP() << fault->skipped();
    ASSERT_TRUE(fault->stands()) << fault->error();
  }
  const json said = report();
  const std::vector<json> found = said_of(said, without, "no-timeouts");
  ASSERT_EQ(found.size(), 1U) << said.dump(2);
  EXPECT_EQ(found[0].value("severity", ""), "info");
  EXPECT_EQ(found[0].value("confidence", ""), "low");
  EXPECT_EQ(found[0]["scope"].value("count", 0U), without.count());
  EXPECT_TRUE(said_of(said, with, "no-timeouts").empty());
  EXPECT_TRUE(alarms(said, without.subject()).empty());
  EXPECT_TRUE(alarms(said, with.subject()).empty());
}

/// One program with such marks on a path of 100 Mbit/s and 20 ms.
std::vector<json> said_of_marks(const std::string& name, Fault*& stands) {
  static std::unique_ptr<Fault> fault;
  fault = std::make_unique<Fault>(std::vector<std::string>{name, "--own-netns"});
  stands = fault.get();
  if (!fault->stands()) return {};
  const json said = report();
  EXPECT_FALSE(not_assessed(said, "user-queue-watermark")) << said.dump(2);
  return said_of(said, *fault, "user-queue-watermark");
}

TEST_F(Habits, MarksTooSmallForThePathHoldTheSenderBack) {
  Fault* fault = nullptr;
  const std::vector<json> found = said_of_marks("marks-small", fault);
  if (!fault->skipped().empty()) GTEST_SKIP() << fault->skipped();
  ASSERT_TRUE(fault->stands()) << fault->error();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].value("severity", ""), "warning");
  EXPECT_EQ(found[0]["scope"].value("pid", 0U), fault->pid());
  EXPECT_LT(measured(found[0], "rate_held_down"), 13.5) << "8 KiB in 5 ms and more";
  expect_words(found[0], {"A mark of 8 KiB holds", "Set the low mark to"});
}

TEST_F(Habits, MarksFarTooLargeOnlyDelay) {
  Fault* fault = nullptr;
  const std::vector<json> found = said_of_marks("marks-large", fault);
  if (!fault->skipped().empty()) GTEST_SKIP() << fault->skipped();
  ASSERT_TRUE(fault->stands()) << fault->error();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].value("severity", ""), "info");
  EXPECT_GT(measured(found[0], "delay_in_queues"), 0.5);
  expect_words(found[0], {"A mark of 16 MiB lets each message", "For bulk data change nothing"});
}

TEST_F(Habits, MarksThatFitAreNoTopic) {
  Fault* fault = nullptr;
  const std::vector<json> found = said_of_marks("marks-right", fault);
  if (!fault->skipped().empty()) GTEST_SKIP() << fault->skipped();
  ASSERT_TRUE(fault->stands()) << fault->error();
  EXPECT_TRUE(found.empty()) << found[0].dump(2);
}

}  // namespace
}  // namespace tcpadvisor::scenario::habits_test
