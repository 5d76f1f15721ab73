// SPDX-License-Identifier: Apache-2.0
// TOML 1.0 as a flat list of keys with their places: what configuration and policy files are read with. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"

namespace tcpadvisor {

/// Both from 1; the column counts code points.
struct TomlPlace {
  std::size_t line = 0, column = 0;
};

enum class TomlKind { text, integer, real, boolean, list };

struct TomlEntry {
  std::string key;
  TomlKind kind = TomlKind::text;
  /// Texts without their quotes, integers in decimal, booleans as "true" or "false". A list has any number of them, all
  /// else has one.
  std::vector<std::string> values;
  TomlPlace key_at, value_at;
};

struct TomlSection {
  std::string name;  ///< "" above the first [section]; "rule.close-wait-leak" for [rule.close-wait-leak]
  TomlPlace at;
  std::vector<TomlEntry> entries;  ///< in the order of the file
};

/// The sections in the order of the file, also empty ones. `origin` is the file's name for errors, which are bad_input.
/// Dates, lists of lists and lists of tables are errors: nothing here takes them.
Result<std::vector<TomlSection>> parse_toml(std::string_view text, std::string_view origin);

/// "FILE, line 3, column 5: TEXT"
Error at_place(std::string_view origin, const TomlPlace& place, std::string_view text);

}  // namespace tcpadvisor
