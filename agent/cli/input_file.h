// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "advisor/base/result.h"

namespace tcpadvisor::cli {

/// A file that the user named. Errors are bad_input; more than 1 MiB is one.
Result<std::string> read_input_file(const std::string& path);

}  // namespace tcpadvisor::cli
