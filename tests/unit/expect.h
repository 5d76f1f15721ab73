// SPDX-License-Identifier: Apache-2.0
// What every rule test asks of an outcome.
#pragma once

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <string_view>

#include "advisor/rules/registry.h"
#include "tests/unit/builders.h"

namespace tcpadvisor {

Policy lab();
/// What the rule with this id says.
Outcome judged(std::string_view id, const Window& window, const Policy& policy);
std::optional<double> value_of(const Finding& finding, std::string_view metric);
/// A finding that a person can use: evidence, words, no sysctl unless it is one.
void expect_complete(const Finding& finding);
std::optional<Finding> only_finding(const Outcome& outcome);
void expect_fine(const Outcome& outcome);
void expect_unknown(const Outcome& outcome, const std::string& reason);

}  // namespace tcpadvisor
