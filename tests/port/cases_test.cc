// SPDX-License-Identifier: Apache-2.0
// The scripts of tests/port/cases on the real transports on which they say they hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {
namespace {

struct Case {
  Script script;
  TransportKind transport = TransportKind::unix;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.script.name << " on " << to_text(one.transport);
}

std::vector<Case> real_cases() {
  std::vector<Case> cases;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(TCPADVISOR_SOURCE_DIR) / "tests/port/cases")) {
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    auto script = parse_script(entry.path().stem(), text.str());
    if (!script) {
      ADD_FAILURE() << script.error().message;
      continue;
    }
    for (TransportKind kind : {TransportKind::unix, TransportKind::tcp}) {
      if (script->transports.contains(kind)) cases.push_back({*script, kind});
    }
  }
  std::ranges::sort(cases, {}, [](const Case& c) { return c.script.name; });
  return cases;
}

class RealCase : public testing::TestWithParam<Case> {};

TEST_P(RealCase, Holds) {
  using Clock = std::chrono::steady_clock;
  auto world = socket_world(GetParam().transport);
  ASSERT_TRUE(world) << world.error().message;
  auto end = Clock::now() + std::chrono::seconds(60);
  RunSettings settings{.keep_going = false, .stop = [&]() -> std::optional<Error> {
                         if (Clock::now() < end) return std::nullopt;
                         return Error{ErrorCode::failed, "it takes more than 60 s", 0};
                       }};
  TextTranscript transcript({});
  RunResult result = run_script(GetParam().script, **world, settings, transcript);
  EXPECT_FALSE(result.error) << result.error->message;
  EXPECT_TRUE(result.failures.empty()) << transcript.last_steps();
}

INSTANTIATE_TEST_SUITE_P(All, RealCase, testing::ValuesIn(real_cases()), [](const auto& one) {
  return one.param.script.name + "_" + std::string(to_text(one.param.transport));
});

TEST(RealCases, AreMany) {
  EXPECT_GE(real_cases().size(), 35U);
}

}  // namespace
}  // namespace tcpadvisor::port::script
