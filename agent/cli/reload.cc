// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/reload.h"

#include <fmt/format.h>

#include <set>

#include "advisor/base/text.h"

namespace tcpadvisor::cli {
namespace {

std::string arrow(std::string_view what, std::string_view before, std::string_view after) {
  return fmt::format("{} {} → {}", what, before.empty() ? "not set" : before, after.empty() ? "not set" : after);
}

void add_thresholds(std::vector<std::string>& all, const Policy& before, const Policy& after) {
  std::set<std::pair<std::string, std::string>> names;
  for (const Policy* policy : {&before, &after}) {
    for (const auto& [rule, values] : policy->rules) {
      for (const auto& [name, value] : values) names.emplace(rule, name);
    }
  }
  auto text = [](const Policy& policy, const std::string& rule, const std::string& name) -> std::string {
    auto section = policy.rules.find(rule);
    if (section == policy.rules.end()) return "";
    auto value = section->second.find(name);
    return value == section->second.end() ? "" : fmt::format("{}", value->second);
  };
  for (const auto& [rule, name] : names) {
    const std::string was = text(before, rule, name), is = text(after, rule, name);
    if (was != is) all.push_back(arrow(fmt::format("policy: [rule.{}] {}", rule, name), was, is));
  }
}

void add_policy(Changes& changes, const Policy& before, const Policy& after) {
  auto add = [](std::vector<std::string>& all, std::string_view what, const std::string& was, const std::string& is) {
    if (was != is) all.push_back(arrow(what, was, is));
  };
  add(changes.now, "policy: window", human_duration(before.window), human_duration(after.window));
  add(changes.now, "policy: windows", std::to_string(before.windows), std::to_string(after.windows));
  add(changes.now, "policy: min_count", std::to_string(before.min_count), std::to_string(after.min_count));
  add(changes.now, "policy: age", human_duration(before.age), human_duration(after.age));
  // The totals of old sockets are counted where sockets are walked over, by the age that was set up there.
  if (before.age != after.age) changes.later.emplace_back("policy: age, where totals count old sockets");
  add_thresholds(changes.now, before, after);
}

}  // namespace

Result<Options> read_again(const Options& running) {
  std::vector<const char*> arguments;
  for (const std::string& argument : running.arguments) arguments.push_back(argument.c_str());
  Result<Parsed> parsed = parse_options(static_cast<int>(arguments.size()), arguments.data());
  if (!parsed) return std::unexpected(parsed.error());
  if (!parsed->options) return fail(ErrorCode::bad_input, "the arguments ask for help, not for a command");
  return std::move(*parsed->options);
}

Changes changes_between(const Options& before, const Options& after) {
  static const std::set<std::string, std::less<>> kAtOnce{"policy", "log-level"};
  Changes changes;
  std::set<std::string> keys;
  for (const auto* chosen : {&before.chosen, &after.chosen}) {
    for (const auto& [key, value] : *chosen) keys.insert(key);
  }
  for (const std::string& key : keys) {
    auto text = [&](const Options& options) {
      auto found = options.chosen.find(key);
      return found == options.chosen.end() ? std::string() : printable(found->second);
    };
    if (const std::string was = text(before), is = text(after); was != is)
      (kAtOnce.contains(key) ? changes.now : changes.later).push_back(arrow(key, was, is));
  }
  add_policy(changes, before.policy, after.policy);
  return changes;
}

}  // namespace tcpadvisor::cli
