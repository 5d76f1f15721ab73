// SPDX-License-Identifier: Apache-2.0
// What is said about rules, settings and numbers that they do not say of themselves. Pure.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "advisor/rules/finding.h"

namespace tcpadvisor::explain {

struct NoUse {
  std::string_view what, why;  ///< as the rule's findings say it; empty: no more
};

struct RuleWords {
  std::string_view id;
  FindingClass kind;  ///< of most of its findings
  std::array<NoUse, 4> no_use;
};
std::span<const RuleWords> rule_words();
const RuleWords* words_of_rule(std::string_view id);  ///< null: nothing is said of it

struct KnobWords {
  std::string_view name;
  std::string_view what;   ///< what it decides
  std::string_view leave;  ///< when not to change it, what it does not do; may be empty
};
std::span<const KnobWords> knob_words();
const KnobWords* words_of_knob(std::string_view name);

/// A number in the evidence of a finding.
struct MetricWords {
  std::string_view name, unit;
  std::string_view what;   ///< what it is, with its formula if there is one
  std::string_view rules;  ///< ids of those whose findings have it, with blanks between
};
std::span<const MetricWords> metric_words();  ///< by name

}  // namespace tcpadvisor::explain
