// SPDX-License-Identifier: Apache-2.0
// /explain/ID: what `tcpadvisor explain ID` says of a rule, as a page. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "advisor/rules/policy.h"

namespace tcpadvisor::serve {

/// Nothing: no rule has that id.
std::optional<std::string> explain_page(std::string_view id, const Policy& policy);

}  // namespace tcpadvisor::serve
