// SPDX-License-Identifier: Apache-2.0
// `--config FILE`. For the files that define options only.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "advisor/base/result.h"

namespace tcpadvisor::cli {

/// Gives every option of `app` that the command line left out the value that the file has for it: an option of a
/// command has its key below [COMMAND], that of `port run` below [port.run]. Errors are bad_input and name file, line
/// and column.
Status apply_config(CLI::App& app, const std::string& path);

}  // namespace tcpadvisor::cli
