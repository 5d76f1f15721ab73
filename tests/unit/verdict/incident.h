// SPDX-License-Identifier: Apache-2.0
// What tests of public incidents ask of a whole verdict: what is said, and what must not be advised.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/verdict/verdict.h"
#include "tests/unit/expect.h"

namespace tcpadvisor {

inline std::vector<Finding> findings_of(const Verdict& verdict, std::string_view id) {
  std::vector<Finding> out;
  std::ranges::copy_if(verdict.findings, std::back_inserter(out), [&](const Finding& one) { return one.id == id; });
  return out;
}

/// The one finding of this rule; the test fails if there is none, or more.
inline Finding finding_of(const Verdict& verdict, std::string_view id) {
  std::vector<Finding> found = findings_of(verdict, id);
  EXPECT_EQ(found.size(), 1u) << id;
  return found.empty() ? Finding{} : found.front();
}

/// Whatever is louder than information.
inline std::vector<std::string> alarms(const Verdict& verdict) {
  std::vector<std::string> out;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity != Severity::info) out.push_back(finding.id);
  }
  return out;
}

/// Settings that somebody who follows the verdict would change.
inline std::vector<std::string> changed_knobs(const Verdict& verdict) {
  std::vector<std::string> out;
  for (const Finding& finding : verdict.findings) {
    if (finding.recommendation.change) out.emplace_back(finding.recommendation.change->knob);
  }
  return out;
}

inline std::string steps_of(const Finding& finding) {
  return testing::PrintToString(finding.recommendation.steps);
}

}  // namespace tcpadvisor
