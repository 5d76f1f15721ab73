// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "advisor/base/text.h"

namespace tcpadvisor {
namespace {

constexpr std::uint64_t kMaxCount = 1'000'000;

std::string_view trimmed(std::string_view text) {
  auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// TOML writes texts in quotes; both forms are taken.
std::string_view unquoted(std::string_view text) {
  bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

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

Status set_key(Policy& policy, std::string_view key, std::string_view value) {
  if (key == "window") return set_duration(policy.window, value);
  if (key == "age") return set_duration(policy.age, value);
  if (key == "windows") return set_count(policy.windows, value);
  if (key == "min_count") return set_count(policy.min_count, value);
  return fail(ErrorCode::bad_input,
              fmt::format("there is no key '{}': write window, windows, age or min_count", printable(key)));
}

}  // namespace

Result<Policy> Policy::parse(std::string_view text, std::string_view origin) {
  Policy policy;
  policy.name = std::string(origin);
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    std::size_t equals = line.find('=');
    Status set = equals == std::string_view::npos
                     ? Status(fail(ErrorCode::bad_input, fmt::format("'{}' is not `key = value`", printable(line))))
                     : set_key(policy, trimmed(line.substr(0, equals)), unquoted(trimmed(line.substr(equals + 1))));
    if (!set) return fail(ErrorCode::bad_input, fmt::format("{}:{}: {}", origin, number, set.error().message));
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
