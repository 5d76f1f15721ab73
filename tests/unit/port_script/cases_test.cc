// SPDX-License-Identifier: Apache-2.0
// Every script of tests/port/cases on the fake transport.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/port_script/play.h"

namespace tcpadvisor::port::script::cases_test {
namespace {

const std::filesystem::path kCases = std::filesystem::path(TCPADVISOR_SOURCE_DIR) / "tests/port/cases";

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kCases)) {
    if (entry.path().extension() == ".port") names.push_back(entry.path().stem());
  }
  std::ranges::sort(names);
  return names;
}

class Case : public testing::TestWithParam<std::string> {};

TEST_P(Case, HoldsOnFake) {
  std::ifstream file(kCases / (GetParam() + ".port"));
  std::stringstream text;
  text << file.rdbuf();
  auto script = parse_script(GetParam(), text.str());
  ASSERT_TRUE(script) << script.error().message;
  ASSERT_TRUE(script->transports.contains(TransportKind::fake));
  auto world = fake_world();
  TextTranscript transcript({});
  RunResult result = run_script(*script, *world, {}, transcript);
  EXPECT_FALSE(result.error) << result.error->message;
  EXPECT_TRUE(result.failures.empty()) << transcript.last_steps();
  EXPECT_GE(result.steps, 5U);
}

INSTANTIATE_TEST_SUITE_P(All, Case, testing::ValuesIn(case_names()), [](const auto& one) { return one.param; });

/// Lines without the sentences of --explain.
std::string without_reasons(const std::string& transcript) {
  std::istringstream lines(transcript);
  std::string out, line;
  while (std::getline(lines, line)) {
    if (!line.starts_with("                 | ")) out += line + "\n";
  }
  return out;
}

/// Who is held by a step is told why in it.
class HeldAreExplained final : public Transcript {
 public:
  void add(const StepRecord& record) override {
    for (const CallerRecord& caller : record.callers) {
      if (caller.now != "waiting" && caller.now != "suspended" && caller.now != "scheduled") continue;
      const auto lines = record.reasons.lines();
      EXPECT_TRUE(std::ranges::any_of(lines, [&](const auto& line) { return line.starts_with(caller.name + " at "); }))
          << "line " << record.line << ": " << record.step << ": " << caller.name << " is " << caller.now;
      ++held;
    }
  }
  int held = 0;
};

TEST_P(Case, IsTheSameWhenItExplainsItselfAndSaysWhyWhoWaits) {
  std::ifstream file(kCases / (GetParam() + ".port"));
  std::stringstream text;
  text << file.rdbuf();
  const Played plain = play(text.str()), explained = play(text.str(), {.explain = true, .stop = {}});
  EXPECT_EQ(without_reasons(explained.transcript), plain.transcript);
  auto script = parse_script(GetParam(), text.str());
  ASSERT_TRUE(script);
  auto world = fake_world();
  HeldAreExplained all;
  run_script(*script, *world, {.explain = true, .stop = {}}, all);
}

TEST(Cases, AreAllThere) {
  EXPECT_THAT(case_names(),
              testing::IsSupersetOf({"C01", "C02", "C04", "C05", "C06", "C07", "C08", "C10", "C12", "C13", "C14", "C16",
                                     "C17", "C19", "C20", "C21", "C23", "C24", "C25", "C26", "C28", "C30", "C31", "C33",
                                     "C34", "C35", "C36", "C37", "C38", "C39", "C40", "D01", "D02", "D03"}));
}

}  // namespace
}  // namespace tcpadvisor::port::script::cases_test
