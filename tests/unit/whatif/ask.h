// SPDX-License-Identifier: Apache-2.0
// A question to a window, as a person types it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/rules/policy.h"
#include "advisor/whatif/answer.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::whatif {

inline std::vector<Answer> ask(const Window& window, const std::vector<std::string>& words) {
  const Result<Question> question = parse_question(words);
  EXPECT_TRUE(question) << question.error().message;
  if (!question) return {};
  const Policy policy;
  const Evidence evidence(window, policy);
  return answers(evidence, *question);
}

inline Answer ask_one(const Window& window, const std::vector<std::string>& words) {
  std::vector<Answer> all = ask(window, words);
  EXPECT_EQ(all.size(), 1u);
  return all.empty() ? Answer{} : all.front();
}

/// The effect of that name; a failure and nothing in it if there is none.
inline Effect effect_of(const Answer& answer, const std::string& metric) {
  for (const Effect& one : answer.effects) {
    if (one.metric == metric) return one;
  }
  ADD_FAILURE() << "no " << metric << ": " << answer.summary;
  return {};
}

inline const Check* check_of(const std::vector<Check>& checks, const std::string& name) {
  for (const Check& one : checks) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

}  // namespace tcpadvisor::whatif
