// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"
#include "advisor/base/toml.h"

namespace tcpadvisor {
namespace {

constexpr std::uint64_t kMaxCount = 1'000'000;

Status set_duration(std::chrono::milliseconds& out, std::string_view value) {
  auto parsed = parse_duration(value);
  if (!parsed) return std::unexpected(parsed.error());
  out = *parsed;
  return {};
}

Status set_count(std::uint32_t& out, std::string_view value) {
  auto parsed = parse_u64(value);
  if (!parsed) return std::unexpected(parsed.error());
  if (*parsed == 0 || *parsed > kMaxCount) {
    return fail(ErrorCode::bad_input, fmt::format("'{}' is out of range: 1 to {}", value, with_commas(kMaxCount)));
  }
  out = static_cast<std::uint32_t>(*parsed);
  return {};
}

Status set_key(Policy& policy, const TomlEntry& entry) {
  const std::string& key = entry.key;
  std::string_view value = entry.kind == TomlKind::list ? "a list" : std::string_view(entry.values.front());
  if (key == "window") return set_duration(policy.window, value);
  if (key == "age") return set_duration(policy.age, value);
  if (key == "windows") return set_count(policy.windows, value);
  return set_count(policy.min_count, value);
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text, std::string_view origin) {
  static const std::vector<std::string_view> kKeys = {"window", "windows", "age", "min_count"};
  Policy policy;
  policy.name = std::string(origin);
  auto file = parse_toml(text, origin);
  if (!file) return std::unexpected(file.error());
  for (const TomlSection& section : *file) {
    if (!section.name.empty()) {
      std::string message = fmt::format("unknown section [{}]: a policy has none", printable(section.name));
      return std::unexpected(at_place(origin, section.at, message));
    }
    for (const TomlEntry& entry : section.entries) {
      if (std::ranges::find(kKeys, entry.key) == kKeys.end()) {
        std::string guess = did_you_mean(entry.key, kKeys);
        std::string message = fmt::format("unknown key '{}'{}", printable(entry.key),
                                          guess.empty() ? "; there are window, windows, age and min_count" : guess);
        return std::unexpected(at_place(origin, entry.key_at, message));
      }
      if (Status set = set_key(policy, entry); !set)
        return std::unexpected(at_place(origin, entry.value_at, entry.key + ": " + set.error().message));
    }
  }
  return policy;
}

Result<Policy> Policy::named(std::string_view name) {
  if (name == "default") return Policy{};
  if (name == "lab") {
    using std::chrono::seconds;
    return Policy{.name = "lab", .window = seconds(1), .windows = 2, .age = seconds(5), .min_count = 10};
  }
  return fail(
      ErrorCode::bad_input,
      fmt::format("policy '{}' is not known: write default, lab or the path of a policy file", printable(name)));
}

}  // namespace tcpadvisor
