// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/policy_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include "advisor/base/text.h"
#include "agent/cli/toml_file.h"

namespace tcpadvisor::cli {
namespace {

Status set_count(std::uint32_t& target, const std::string& text) {
  Result<std::uint64_t> value = parse_u64(text);
  if (!value) return std::unexpected(value.error());
  if (*value == 0 || *value > 1'000'000) {
    return fail(ErrorCode::bad_input, fmt::format("{} is out of range: 1 to 1,000,000", *value));
  }
  target = static_cast<std::uint32_t>(*value);
  return {};
}

Status set_duration(std::chrono::milliseconds& target, const std::string& text) {
  Result<std::chrono::milliseconds> value = parse_duration(text);
  if (!value) return std::unexpected(value.error());
  target = *value;
  return {};
}

Status set_key(Policy& policy, const TomlEntry& entry) {
  std::string key = entry.section.empty() ? entry.key : entry.section + "." + entry.key;
  if (entry.values.size() != 1) return fail(ErrorCode::bad_input, fmt::format("{} needs one value", printable(key)));
  const std::string& value = entry.values.front();
  Status status = key == "window"    ? set_duration(policy.window, value)
                  : key == "windows" ? set_count(policy.windows, value)
                  : key == "age"     ? set_duration(policy.age, value)
                  : key == "min-count"
                      ? set_count(policy.min_count, value)
                      : fail(ErrorCode::bad_input, "unknown key; a policy has window, windows, age and min-count");
  if (!status) return fail(ErrorCode::bad_input, fmt::format("{}: {}", printable(key), status.error().message));
  return {};
}

}  // namespace

Result<Policy> policy_from(const std::string& name_or_path) {
  Result<Policy> named = Policy::named(name_or_path);
  bool looks_like_a_path = name_or_path.find_first_of("/.") != std::string::npos;
  if (named || (!looks_like_a_path && access(name_or_path.c_str(), F_OK) != 0)) return named;

  Result<std::vector<TomlEntry>> entries = read_toml(name_or_path);
  if (!entries) return std::unexpected(entries.error());
  Policy policy;
  policy.name = name_or_path;
  for (const TomlEntry& entry : *entries) {
    if (Status status = set_key(policy, entry); !status) {
      return std::unexpected(at_line(name_or_path, entry.line, status.error().message));
    }
  }
  return policy;
}

}  // namespace tcpadvisor::cli
