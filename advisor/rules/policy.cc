// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"
#include "advisor/base/toml.h"
#include "advisor/rules/registry.h"

namespace tcpadvisor {
namespace {

constexpr std::uint64_t kMaxCount = 1'000'000;
constexpr std::string_view kRuleSection = "rule.";

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

Status set_general(Policy& policy, std::string_view key, std::string_view value) {
  if (key == "window") return set_duration(policy.window, value);
  if (key == "age") return set_duration(policy.age, value);
  if (key == "windows") return set_count(policy.windows, value);
  return set_count(policy.min_count, value);
}

/// In the threshold's unit.
Result<double> number_of(const Threshold& threshold, std::string_view text) {
  if (threshold.unit == "s") {
    Result<std::chrono::milliseconds> time = parse_duration(text);
    if (!time) return std::unexpected(time.error());
    return static_cast<double>(time->count()) / 1000;
  }
  if (threshold.unit != "ratio") {
    Result<std::uint64_t> number = threshold.unit == "bytes" ? parse_size(text) : parse_u64(text);
    if (!number) return std::unexpected(number.error());
    return static_cast<double>(*number);
  }
  double ratio = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ratio);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::bad_input, fmt::format("'{}' is not a number from 0 to 1", printable(text)));
  }
  return ratio;
}

Status set_of_rule(Policy::Values& values, const Threshold& threshold, std::string_view text) {
  Result<double> number = number_of(threshold, text);
  if (!number) return std::unexpected(number.error());
  if (!(*number >= threshold.least && *number <= threshold.most)) {
    return fail(ErrorCode::bad_input, fmt::format("'{}' is out of range: {} to {} {}", printable(text), threshold.least,
                                                  threshold.most, threshold.unit));
  }
  values[std::string(threshold.name)] = *number;
  return {};
}

/// What may stand in a section: of a rule its thresholds, above the first one the general keys.
std::vector<std::string_view> keys_of(const Rule* rule) {
  if (rule == nullptr) return {"window", "windows", "age", "min_count"};
  std::vector<std::string_view> names;
  for (const Threshold& known : rule->thresholds) names.push_back(known.name);
  return names;
}

Status set_entry(Policy& policy, const Rule* rule, const TomlEntry& entry) {
  std::string_view value = entry.kind == TomlKind::list ? "a list" : std::string_view(entry.values.front());
  if (rule == nullptr) return set_general(policy, entry.key, value);
  auto threshold = std::ranges::find(rule->thresholds, entry.key, &Threshold::name);
  return set_of_rule(policy.rules[std::string(rule->id)], *threshold, value);
}

std::string unknown_key(const Rule* rule, std::string_view key) {
  std::vector<std::string_view> keys = keys_of(rule);
  std::string guess = did_you_mean(key, keys);
  if (guess.empty() && keys.empty()) guess = "; this rule has no thresholds";
  if (guess.empty() && rule == nullptr) guess = "; there are window, windows, age and min_count";
  if (guess.empty()) guess = fmt::format("; there are {}", fmt::join(keys, ", "));
  return fmt::format("unknown key '{}'{}", printable(key), guess);
}

/// The rule of [rule.ID], null for what stands above the first section.
Result<const Rule*> rule_of(std::string_view section) {
  if (section.empty()) return nullptr;
  if (!section.starts_with(kRuleSection)) {
    return fail(
        ErrorCode::bad_input,
        fmt::format("unknown section [{}]: write [rule.ID], for example [rule.close-wait-leak]", printable(section)));
  }
  section.remove_prefix(kRuleSection.size());
  if (const Rule* rule = find_rule(section)) return rule;
  std::vector<std::string_view> ids;
  for (const Rule& rule : all_rules()) ids.push_back(rule.id);
  return fail(ErrorCode::bad_input,
              fmt::format("there is no rule '{}'{}", printable(section), did_you_mean(section, ids)));
}

}  // namespace

Policy Policy::of(std::string_view rule) const {
  Policy out = *this;
  out.rules.clear();
  auto section = rules.find(rule);
  if (section != rules.end()) out.own = section->second;
  out.min_count = static_cast<std::uint32_t>(out.value(kMinCount));
  return out;
}

Policy Policy::to_clear() const {
  Policy out = *this;
  out.min_count = static_cast<std::uint32_t>(std::max(1.0, kMinCount.clears * min_count));
  out.clearing = true;
  return out;
}

double Policy::value(const Threshold& threshold) const {
  const bool general = threshold.name == kMinCount.name;
  double mark = general ? min_count : threshold.initial;
  if (auto found = own.find(threshold.name); found != own.end()) {
    mark = found->second;
  } else if (general) {
    return mark;  // to_clear() has lowered it
  }
  return clearing ? std::min(mark * threshold.clears, std::max(mark, threshold.most)) : mark;
}

Result<Policy> Policy::parse(std::string_view text, std::string_view origin) {
  Policy policy;
  policy.name = std::string(origin);
  Result<std::vector<TomlSection>> file = parse_toml(text, origin);
  if (!file) return std::unexpected(file.error());
  for (const TomlSection& section : *file) {
    Result<const Rule*> rule = rule_of(section.name);
    if (!rule) return std::unexpected(at_place(origin, section.at, rule.error().message));
    const std::vector<std::string_view> keys = keys_of(*rule);
    for (const TomlEntry& entry : section.entries) {
      if (std::ranges::find(keys, entry.key) == keys.end()) {
        return std::unexpected(at_place(origin, entry.key_at, unknown_key(*rule, entry.key)));
      }
      if (Status set = set_entry(policy, *rule, entry); !set)
        return std::unexpected(at_place(origin, entry.value_at, entry.key + ": " + set.error().message));
    }
  }
  return policy;
}

Result<Policy> Policy::named(std::string_view name) {
  if (name == "default") return Policy{};
  if (name == "lab") {
    using std::chrono::seconds;
    return Policy{.name = "lab",
                  .window = seconds(1),
                  .windows = 2,
                  .age = seconds(5),
                  .min_count = 10,
                  // a trial does not last for an hour
                  .rules = {{"established-dead-peer-leak", {{"idle_for", 5}}}, {"no-timeouts", {{"idle_for", 5}}}}};
  }
  return fail(
      ErrorCode::bad_input,
      fmt::format("policy '{}' is not known: write default, lab or the path of a policy file", printable(name)));
}

}  // namespace tcpadvisor
