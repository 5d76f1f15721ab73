// SPDX-License-Identifier: Apache-2.0
// Arguments, configuration and policy read again while a command runs, and what is different then.
#pragma once

#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/cli/options.h"

namespace tcpadvisor::cli {

/// The same arguments with the files as they are now. Errors are bad_input, as at the start.
Result<Options> read_again(const Options& running);

struct Changes {
  std::vector<std::string> now;    ///< "policy: window 10 s → 2 s"
  std::vector<std::string> later;  ///< the same of what only a new start changes
};
Changes changes_between(const Options& before, const Options& after);

}  // namespace tcpadvisor::cli
