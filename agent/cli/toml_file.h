// SPDX-License-Identifier: Apache-2.0
// A TOML file as keys with their lines, read by CLI11's own reader.
#pragma once

#include <string>
#include <vector>

#include "advisor/base/result.h"

namespace tcpadvisor::cli {

struct TomlEntry {
  std::string section;  ///< "" above the first [section]
  std::string key;
  std::vector<std::string> values;
  std::size_t line = 0;
};

/// Errors are bad_input and name the file.
Result<std::vector<TomlEntry>> read_toml(const std::string& path);

/// "FILE, line 3: TEXT"
Error at_line(const std::string& path, std::size_t line, const std::string& text);

}  // namespace tcpadvisor::cli
