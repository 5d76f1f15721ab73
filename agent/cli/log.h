// SPDX-License-Identifier: Apache-2.0
// Messages on stderr, "tcpadvisor: warning: TEXT", one line each. From any thread.
#pragma once

#include <string_view>

namespace tcpadvisor::cli {

/// What a reader must do: debug nothing, info nothing, warning look, error act. `off` is a threshold only.
enum class LogLevel { debug, info, warning, error, off };

/// Messages below this are not written. Until it is called: below warning.
void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view text);

}  // namespace tcpadvisor::cli
