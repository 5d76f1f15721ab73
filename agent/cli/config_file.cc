// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/config_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"
#include "advisor/base/toml.h"
#include "agent/cli/input_file.h"

namespace tcpadvisor::cli {
namespace {

using AppPtr = CLI::App*;

std::vector<AppPtr> commands_below(AppPtr app) {
  return app->get_subcommands([](AppPtr) { return true; });
}

struct Section {
  std::string name;          ///< "port.run"; "" for the options of all commands
  std::string command_line;  ///< "tcpadvisor port run"
  AppPtr app;
};

/// Every command, those with commands below them too.
void add_sections(std::vector<Section>& sections, const Section& parent) {
  sections.push_back(parent);
  for (AppPtr command : commands_below(parent.app)) {
    add_sections(sections, {parent.name + (parent.name.empty() ? "" : ".") + command->get_name(),
                            parent.command_line + " " + command->get_name(), command});
  }
}

bool is_key(const CLI::Option& option) {
  bool asks_and_ends = option.check_lname("help") || option.check_lname("version");
  return option.get_configurable() && !option.get_lnames().empty() && !asks_and_ends;
}

std::vector<std::string_view> keys_of(AppPtr app) {
  std::vector<std::string_view> keys;
  for (const CLI::Option* option : app->get_options()) {
    if (is_key(*option)) keys.push_back(option->get_lnames().front());
  }
  return keys;
}

Result<const Section*> find_section(const std::vector<Section>& sections, const std::string& name) {
  auto found = std::ranges::find(sections, name, &Section::name);
  if (found != sections.end()) return &*found;
  std::vector<std::string_view> names;
  for (const Section& section : sections) {
    if (!keys_of(section.app).empty() && !section.name.empty()) names.push_back(section.name);
  }
  std::string guess = did_you_mean(name, names);
  std::string hint = guess.empty() ? fmt::format("; there are [{}]", fmt::join(names, "], [")) : guess;
  return fail(ErrorCode::bad_input, fmt::format("unknown section [{}]{}", printable(name), hint));
}

Result<CLI::Option*> find_option(const Section& section, const std::string& key) {
  CLI::Option* option = section.app->get_option_no_throw("--" + key);
  if (option != nullptr && is_key(*option)) return option;
  std::string guess = did_you_mean(key, keys_of(section.app));
  std::string hint =
      guess.empty() ? fmt::format("; {} --help lists the options that are keys", section.command_line) : guess;
  return fail(ErrorCode::bad_input, fmt::format("unknown key '{}'{}", printable(key), hint));
}

Status set_option(CLI::Option& option, const TomlEntry& entry) {
  if (option.count() > 0) return {};  // the command line wins
  bool is_flag = option.get_expected_min() == 0;
  bool takes_list = option.get_expected_max() > 1;
  if (is_flag && entry.kind != TomlKind::boolean)
    return fail(ErrorCode::bad_input, entry.key + ": write true or false");
  if (entry.kind == TomlKind::list && !takes_list)
    return fail(ErrorCode::bad_input, entry.key + ": write one value, not a list");
  if (entry.values.empty()) return {};
  try {
    if (is_flag) {
      option.add_result(option.get_flag_value(entry.key, entry.values.front()));
    } else {
      option.add_result(entry.values);
    }
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    std::string text = printable(error.what());
    return fail(ErrorCode::bad_input, text.starts_with("--") ? text.substr(2) : text);
  }
  return {};
}

}  // namespace

Status apply_config(CLI::App& app, const std::string& path) {
  Result<std::string> text = read_input_file(path);
  if (!text) return std::unexpected(text.error());
  Result<std::vector<TomlSection>> file = parse_toml(*text, path);
  if (!file) return std::unexpected(file.error());
  std::vector<Section> sections;
  add_sections(sections, {"", "tcpadvisor", &app});
  for (const TomlSection& part : *file) {
    Result<const Section*> section = find_section(sections, part.name);
    if (!section) return std::unexpected(at_place(path, part.at, section.error().message));
    for (const TomlEntry& entry : part.entries) {
      Result<CLI::Option*> option = find_option(**section, entry.key);
      if (!option) return std::unexpected(at_place(path, entry.key_at, option.error().message));
      if (Status status = set_option(**option, entry); !status)
        return std::unexpected(at_place(path, entry.value_at, status.error().message));
    }
  }
  return {};
}

}  // namespace tcpadvisor::cli
