// SPDX-License-Identifier: Apache-2.0
// `--policy FILE|default|lab`.
#pragma once

#include <string>

#include "advisor/base/result.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor::cli {

/// A known name, or a TOML file with the keys window, windows, age and min-count; what it leaves out is as in the
/// default policy.
Result<Policy> policy_from(const std::string& name_or_path);

}  // namespace tcpadvisor::cli
