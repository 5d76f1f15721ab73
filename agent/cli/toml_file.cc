// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/toml_file.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <sstream>

#include "advisor/base/text.h"
#include "agent/cli/input_file.h"

namespace tcpadvisor::cli {
namespace {

std::string trimmed(std::string_view text) {
  return CLI::detail::trim_copy(std::string(text));
}

/// The reader does not keep lines; keys come in file order, so each is searched from where the last one was.
class Lines {
 public:
  explicit Lines(const std::string& text) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines_.push_back(trimmed(line));
  }
  std::size_t find(const std::string& key) {
    for (std::size_t i = last_; i < lines_.size(); ++i) {
      std::string name = trimmed(lines_[i].substr(0, lines_[i].find('=')));
      CLI::detail::remove_quotes(name);
      if (name == key || (name.size() > key.size() && name.ends_with("." + key))) {
        last_ = i + 1;
        return last_;
      }
    }
    return 0;
  }

 private:
  std::vector<std::string> lines_;
  std::size_t last_ = 0;
};

}  // namespace

Error at_line(const std::string& path, std::size_t line, const std::string& text) {
  std::string where = line > 0 ? fmt::format("{}, line {}", printable(path), line) : printable(path);
  return {ErrorCode::bad_input, where + ": " + text, 0};
}

Result<std::vector<TomlEntry>> read_toml(const std::string& path) {
  Result<std::string> text = read_input_file(path);
  if (!text) return std::unexpected(text.error());
  std::vector<CLI::ConfigItem> items;
  try {
    std::istringstream in(*text);
    items = CLI::ConfigTOML().from_config(in);
  } catch (const CLI::Error& error) {
    return std::unexpected(at_line(path, 0, error.what()));
  }
  Lines lines(*text);
  std::vector<TomlEntry> entries;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // the reader's marks for the begin and end of a section
    entries.push_back({CLI::detail::join(item.parents, "."), item.name, item.inputs, lines.find(item.name)});
  }
  return entries;
}

}  // namespace tcpadvisor::cli
