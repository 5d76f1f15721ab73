// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "advisor/base/result.h"

namespace tcpadvisor::cli {

/// A file that the user named. Errors are bad_input; more than `most` bytes is one.
inline constexpr std::size_t kMostInput = 1 << 20;
Result<std::string> read_input_file(const std::string& path, std::size_t most = kMostInput);

/// Why to stop waiting, if so.
using StopAsked = std::function<std::optional<Error>()>;
/// The same of what may never come to its end: "-" (standard input), a FIFO that nobody writes to, a terminal. `stop`
/// is asked ten times a second; its error comes back.
Result<std::string> read_input_until(const std::string& path, const StopAsked& stop);

}  // namespace tcpadvisor::cli
