// SPDX-License-Identifier: Apache-2.0
// Which findings are listed one by one, and what is said of the others. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// Findings of one rule and severity that are counted instead of listed.
struct NotListed {
  std::string id;
  Severity severity = Severity::info;
  std::uint64_t findings = 0;
  std::uint64_t sockets = 0;    ///< that they are about
  std::uint64_t explained = 0;  ///< of the findings, those that have a cause
};

/// What one rule has found: those that are too many become brief, unless they change a setting.
void leave_brief(std::vector<Finding>& of_rule);

/// Takes the brief ones out, and counts them: the most severe first, then by id.
std::vector<NotListed> take_out_brief(std::vector<Finding>& findings);

}  // namespace tcpadvisor
