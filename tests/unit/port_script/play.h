// SPDX-License-Identifier: Apache-2.0
// Scripts as text, played on the fake world.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "agent/port/script/run.h"

namespace tcpadvisor::port::script {

struct Played {
  RunResult result;
  std::string transcript;

  /// "" if every expectation held and the script was right.
  std::string trouble() const {
    if (result.error) return result.error->message;
    if (result.failures.empty()) return "";
    const StepRecord& failure = result.failures.front();
    return "line " + std::to_string(failure.line) + ": " + failure.step + ": " + failure.failure;
  }
};

inline Played play(std::string_view text, RunSettings settings = {}) {
  Played played;
  auto script = parse_script("t", text);
  EXPECT_TRUE(script) << script.error().message;
  if (!script) return played;
  auto world = fake_world();
  TextTranscript transcript([&](std::string_view line) { played.transcript += line; });
  played.result = run_script(*script, *world, settings, transcript);
  return played;
}

/// "LINE:COLUMN: message" of a script that is wrong.
inline std::string parse_error(std::string_view text) {
  auto script = parse_script("t", text);
  if (script) return "no error";
  EXPECT_EQ(script.error().code, ErrorCode::bad_input);
  EXPECT_EQ(script.error().message.find('\n'), std::string::npos) << "one line";
  EXPECT_EQ(script.error().message.substr(0, 2), "t:");
  return script.error().message.substr(2);
}

}  // namespace tcpadvisor::port::script
