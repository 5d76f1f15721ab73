// SPDX-License-Identifier: Apache-2.0
// Where output goes: terminals, their width and colours, and files that are whole or not there.
#pragma once

#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "agent/cli/options.h"
#include "agent/os/signals.h"

namespace tcpadvisor::cli {

bool is_terminal(int fd);
/// auto: the descriptor is a terminal, NO_COLOR is not set, TERM is not "dumb".
bool wants_color(Color color, int fd);
/// Columns of stdout's terminal, else COLUMNS, else 80.
std::size_t text_width();

/// Writes next to the file and renames, so that nobody ever sees half of it. A device or pipe is written directly, as
/// soon as and as long as somebody reads it; one of `signals` ends that early, without an error.
Status write_file(const std::string& path, std::string_view text, os::StopSignals* signals = nullptr);
/// What write_file() touches: the directory of a file, or the device or pipe itself.
std::string place_of_writing(const std::string& path);
/// We are root and the directory is somebody else's: there root without its capabilities may not write.
bool needs_privileges_to_write(const std::string& path);
/// Ends early, without an error, when one of `signals` comes.
Status write_stdout(std::string_view text, os::StopSignals* signals = nullptr);

/// The one line that a failed command leaves on stderr.
void print_error(const Error& error);
/// 2 bad input, 4 not allowed or not offered here, 1 everything else.
int exit_code_of(const Error& error);
/// Prints that line; returns that code.
int failed(const Error& error);

}  // namespace tcpadvisor::cli
