// SPDX-License-Identifier: Apache-2.0
// Which findings stand. A finding that a judgement has made goes away in the next one only beyond the lower marks of
// its thresholds (Threshold::clears): a number that swings about its mark does not make it come and go. The memory of
// that is a value that is handed in and out, so that judging stays a function of what it is given. Where somebody has
// changed the setting that a finding would change, it is judged anew.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/connections.h"
#include "advisor/rules/evidence.h"
#include "advisor/rules/finding.h"
#include "advisor/rules/rule.h"

namespace tcpadvisor {

class Standing {
 public:
  bool empty() const { return by_rule_.empty(); }
  /// What a rule has said, before any other finding explains it or takes its place. What is only counted (brief) does
  /// not stand.
  void add(const Connections& connections, std::string_view rule, const std::vector<Finding>& findings);

  /// What the rule says of this evidence, and of its findings that stand those that are not yet beyond the lower marks.
  Outcome judged(const Rule& rule, const Evidence& whole, const Policy& own) const;

  bool operator==(const Standing&) const = default;

 private:
  struct One {
    Severity severity = Severity::info;
    std::uint64_t setting = 0;  ///< hash of the setting that it would change, with its value then; 0 if it is none
    bool operator==(const One&) const = default;
  };
  using OfRule = std::map<std::uint64_t, One>;  ///< by what a finding is about
  static std::uint64_t setting_of(const Finding& finding);

  std::map<std::string, OfRule, std::less<>> by_rule_;
};

}  // namespace tcpadvisor
