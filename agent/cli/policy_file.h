// SPDX-License-Identifier: Apache-2.0
// `--policy FILE|default|lab`.
#pragma once

#include <string>

#include "advisor/base/result.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor::cli {

/// A known name, or a file as Policy::parse() reads it.
Result<Policy> policy_from(const std::string& name_or_path);

}  // namespace tcpadvisor::cli
