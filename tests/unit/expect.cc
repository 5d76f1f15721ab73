// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/expect.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "advisor/rules/registry.h"

namespace tcpadvisor {

Policy lab() {
  return *Policy::named("lab");
}

Outcome judged(std::string_view id, const Window& window, const Policy& policy) {
  const Evidence whole(window, policy);
  const Policy own = policy.of(id);
  return find_rule(id)->judge(Evidence(whole, own));
}

std::optional<double> value_of(const Finding& finding, std::string_view metric) {
  auto found = std::ranges::find(finding.evidence, metric, &Measurement::metric);
  if (found == finding.evidence.end()) return std::nullopt;
  return found->value;
}

void expect_complete(const Finding& finding) {
  EXPECT_FALSE(finding.evidence.empty()) << finding.id;
  EXPECT_FALSE(finding.title.empty());
  EXPECT_FALSE(finding.meaning.empty());
  EXPECT_FALSE(finding.recommendation.text.empty());
  EXPECT_FALSE(finding.not_useful.empty());
  for (const Measurement& evidence : finding.evidence) {
    EXPECT_FALSE(evidence.metric.empty());
    EXPECT_FALSE(evidence.source.empty()) << evidence.metric;
  }
  bool sysctl = finding.recommendation.kind == RecommendationKind::sysctl;
  EXPECT_EQ(sysctl, finding.recommendation.change.has_value());
  if (!finding.recommendation.change) return;
  const Change& change = *finding.recommendation.change;
  EXPECT_FALSE(finding.recommendation.formula.empty()) << finding.id;
  EXPECT_FALSE(change.current.empty()) << finding.id;
  for (const auto* values : {&change.lower, &change.target, &change.upper}) {
    EXPECT_EQ(values->size(), change.current.size()) << finding.id;
  }
}

std::optional<Finding> only_finding(const Outcome& outcome) {
  EXPECT_EQ(outcome.findings.size(), 1u) << outcome.not_assessed << outcome.fine_value;
  EXPECT_EQ(outcome.fine_metric, "") << "not fine and not well at once";
  if (outcome.findings.size() != 1) return std::nullopt;
  expect_complete(outcome.findings.front());
  return outcome.findings.front();
}

void expect_fine(const Outcome& outcome) {
  EXPECT_TRUE(outcome.findings.empty()) << outcome.findings.front().title;
  EXPECT_EQ(outcome.not_assessed, "");
  EXPECT_FALSE(outcome.fine_metric.empty());
  EXPECT_FALSE(outcome.fine_value.empty());
}

void expect_unknown(const Outcome& outcome, const std::string& reason) {
  EXPECT_TRUE(outcome.findings.empty());
  EXPECT_EQ(outcome.fine_metric, "") << "a false OK";
  EXPECT_THAT(outcome.not_assessed, testing::HasSubstr(reason));
}

}  // namespace tcpadvisor
