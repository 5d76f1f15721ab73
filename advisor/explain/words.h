// SPDX-License-Identifier: Apache-2.0
// What is said about rules, settings and numbers that they do not say of themselves. Pure.
#pragma once

#include <array>
#include <cstdint>
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

/// A state of a connection, an option of a socket, or a call of a program.
struct TopicWords {
  enum class Of : std::uint8_t { state, option, call } of = Of::state;
  std::string_view name;     ///< as the kernel or the manual writes it
  std::string_view aliases;  ///< what else people type, with blanks between; case, dashes and prefixes do not matter
  std::string_view title;    ///< what it is
  std::string_view means;
  std::string_view advice;  ///< what to do, or not to do
  std::string_view rules;   ///< ids of those that are about it, with blanks between; may be empty
  std::string_view source;  ///< where it is written
};
std::span<const TopicWords> topic_words();
const TopicWords* words_of_topic(std::string_view name);  ///< by its name; null if there is none

}  // namespace tcpadvisor::explain
