// SPDX-License-Identifier: Apache-2.0
// All rules, in the order in which a report lists them.
#pragma once

#include <span>
#include <string_view>

#include "advisor/rules/rule.h"

namespace tcpadvisor {

std::span<const Rule> all_rules();
const Rule* find_rule(std::string_view id);  ///< null if there is no such rule

}  // namespace tcpadvisor
