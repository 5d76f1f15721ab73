// SPDX-License-Identifier: Apache-2.0
// The host by resource: utilisation, saturation, errors (the USE method), each cell with what the rules say of it.
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/verdict/verdict.h"

namespace tcpadvisor {

enum class UseStatus : std::uint8_t {
  fine,  ///< looked at, nothing to act on; findings that only inform may be there
  warning,
  critical,
  not_seen,  ///< none of the cell's rules could judge
  absent,    ///< what they judge does not exist here
  no_rule,   ///< nothing is judged here, or none of its rules was asked
};

struct UseCell {
  UseStatus status = UseStatus::no_rule;
  std::string text;                    ///< in a few words: the worst finding, else the measured value, else why not
  std::vector<std::string> instances;  ///< of the findings, worst first
};

struct UseRow {
  std::string_view resource;
  std::array<UseCell, 3> cells;  ///< utilisation, saturation, errors
};

inline constexpr std::array<std::string_view, 3> kUseColumns = {"Utilisation", "Saturation", "Errors"};

std::vector<UseRow> use_table(const Verdict& verdict);

std::string_view name_of(UseStatus status);  ///< "fine", "warning", "critical", "not seen", "none here", ""

/// Where a rule has its place; null if it has none, which a test forbids.
std::string_view use_resource_of(std::string_view rule);

}  // namespace tcpadvisor
