// SPDX-License-Identifier: Apache-2.0
// Small checks on the text of a file: licence line, paths, clocks, commands. Pure text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::contract {

/// What is wrong with the SPDX line of a file, or "": exactly one, in the first three lines, of the licence of its
/// folder.
std::string licence_fault(std::string_view path, std::string_view text);

/// One line for each place that names a folder of some developer's machine.
std::vector<std::string> machine_paths(std::string_view path, std::string_view text);

/// One line for each place that reads a clock.
std::vector<std::string> clock_reads(std::string_view path, std::string_view text);

/// One line for each place that calls what throws when the world is not as expected: std::filesystem, std::stoi and its
/// like, at(), std::thread, a JSON parser, or that throws itself. Errors are values here (advisor/base/result.h).
std::vector<std::string> throwing_forms(std::string_view path, std::string_view text);

/// The commands that the script `dev` implements: its functions cmd_NAME.
std::vector<std::string> commands_of(std::string_view script);

/// The commands that a text tells its reader to run: every word after "./dev ".
std::vector<std::string> commands_named_in(std::string_view text);

/// Paths of this repository between backticks; not patterns (`*`, `{}`, or capitals that stand for a name).
std::vector<std::string> paths_named_in(std::string_view text);

/// The targets of Markdown links to other files, without the part behind '#'.
std::vector<std::string> links_in(std::string_view text);

}  // namespace tcpadvisor::contract
