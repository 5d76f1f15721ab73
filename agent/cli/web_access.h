// SPDX-License-Identifier: Apache-2.0
// `--web-config FILE` with the certificate and key that it names.
#pragma once

#include <cstdint>
#include <string>

#include "advisor/base/result.h"
#include "agent/serve/access.h"

namespace tcpadvisor::cli {

/// Reads the files as they are at `now_s` (unix time); an empty path gives plain HTTP for everybody. Errors are
/// bad_input and one line with the file's name.
Result<serve::AccessPtr> read_access(const std::string& path, std::int64_t now_s);

}  // namespace tcpadvisor::cli
