// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/article.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "advisor/explain/rule_article.h"
#include "advisor/explain/words.h"
#include "advisor/knobs/knobs.h"
#include "advisor/rules/registry.h"

namespace tcpadvisor::explain {
namespace {

constexpr std::array<std::string_view, 7> kKindNames = {"rule", "setting", "state", "option",
                                                        "call", "metric",  "value"};

std::string_view area_of(std::string_view knob) {
  return knob.substr(0, knob.rfind('.'));
}

std::string_view when_text(TakesEffect when) {
  switch (when) {
    case TakesEffect::now:
      return "at once";
    case TakesEffect::new_connections:
      return "for connections that begin later";
    case TakesEffect::re_listen:
      break;
  }
  return "when a program calls listen() again";
}

std::string_view risk_text(int risk) {
  constexpr std::array<std::string_view, 4> kRisks = {"none", "few connections", "all connections",
                                                      "the host's memory"};
  return kRisks[static_cast<std::size_t>(std::clamp(risk, 0, 3))];
}

std::vector<std::string> facts_of(const Knob& knob) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("the kernel starts with: {}", knob.kernel_default));
  if (!knob.unit.empty()) lines.push_back(fmt::format("unit: {}", knob.unit));
  if (knob.least != 0 || knob.most != 0) lines.push_back(fmt::format("takes {} to {}", knob.least, knob.most));
  lines.emplace_back(knob.scope == KnobScope::host ? "one value for the whole host"
                                                   : "each network namespace has its own; a new one starts with the "
                                                     "kernel's default, not with the host's value");
  lines.push_back(fmt::format("a change acts {}; it can hurt: {}", when_text(knob.takes_effect), risk_text(knob.risk)));
  return lines;
}

/// Rules whose own words name it, or say that it does not help.
std::vector<std::string> rules_about(const Knob& knob) {
  std::vector<std::string> lines;
  const std::string_view name = last_part(knob.name);
  auto says = [&](std::string_view text) {
    for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
      const std::size_t end = at + name.size();
      if (end == text.size() || (text[end] != '_' && (text[end] < 'a' || text[end] > 'z'))) return true;
    }
    return false;
  };
  for (const Rule& rule : all_rules()) {
    const RuleWords* words = words_of_rule(rule.id);
    auto no_use = words == nullptr
                      ? nullptr
                      : std::ranges::find_if(words->no_use, [&](const NoUse& one) { return says(one.what); });
    const bool useless = words != nullptr && no_use != words->no_use.end();
    if (useless) {
      lines.push_back(fmt::format("{}: of no use ({})", rule.id, no_use->why));
    } else if (says(rule.title) || says(rule.explanation)) {
      lines.push_back(fmt::format("{}: {}", rule.id, rule.title));
    }
  }
  return lines;
}

Article about(const Knob& knob) {
  const KnobWords* words = words_of_knob(knob.name);
  Article out{Kind::setting, std::string(knob.name), std::string(area_of(knob.name)),
              std::string(words == nullptr ? "" : words->what)};
  out.parts.push_back({"Facts", facts_of(knob)});
  if (words != nullptr && !words->leave.empty())
    out.parts.push_back({"When not to change it", {std::string(words->leave)}});
  if (std::vector<std::string> rules = rules_about(knob); !rules.empty()) out.parts.push_back({"Rules", rules});
  out.parts.push_back({"References",
                       {knob.name.starts_with("net.ipv4.")   ? "Documentation/networking/ip-sysctl.rst; tcp(7)"
                        : knob.name.starts_with("net.core.") ? "Documentation/admin-guide/sysctl/net.rst; socket(7)"
                        : knob.name.starts_with("fs.")       ? "Documentation/admin-guide/sysctl/fs.rst"
                                                             : "Documentation/networking/nf_conntrack-sysctl.rst"}});
  return out;
}

Article about(const MetricWords& metric, const Policy& policy) {
  Article out{Kind::metric, std::string(metric.name), "evidence", std::string(metric.what)};
  if (!metric.unit.empty()) out.parts.push_back({"Unit", {std::string(metric.unit)}});
  std::vector<std::string> rules;
  for (const Rule& rule : all_rules()) {
    if (!in_list(metric.rules, rule.id)) continue;
    rules.push_back(fmt::format("{}: {}", rule.id, rule.title));
    for (const std::string& line : thresholds_of(rule, policy)) rules.push_back("  " + line);
  }
  out.parts.push_back({"Evidence of, with the thresholds in force", std::move(rules)});
  return out;
}

Article about(const Exported& value) {
  Article out{Kind::value, value.path, "values for programs", value.help};
  out.parts.push_back({"Where", {"in each tick of watch --json, as " + value.path}});
  out.parts.push_back({"Form", {value.unit.empty() ? value.type : fmt::format("{}, in {}", value.type, value.unit)}});
  return out;
}

Article about(const TopicWords& topic) {
  constexpr std::array<Kind, 3> kKinds = {Kind::state, Kind::option, Kind::call};
  constexpr std::array<std::string_view, 3> kGroups = {"of a connection", "of a socket", "of a program"};
  const auto of = static_cast<std::size_t>(topic.of);
  Article out{kKinds[of], std::string(topic.name), std::string(kGroups[of]), std::string(topic.title),
              std::string(topic.aliases)};
  out.parts.push_back({"", {std::string(topic.means)}});
  out.parts.push_back({"What to do", {std::string(topic.advice)}});
  std::vector<std::string> rules;
  for (const Rule& rule : all_rules()) {
    if (in_list(topic.rules, rule.id)) rules.push_back(fmt::format("{}: {}", rule.id, rule.title));
  }
  if (!rules.empty()) out.parts.push_back({"Rules", std::move(rules)});
  out.parts.push_back({"References", {std::string(topic.source)}});
  return out;
}

}  // namespace

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('.') + 1);
}

std::string_view name_of(Kind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::vector<Article> articles(const Policy& policy, std::span<const Exported> exported) {
  std::vector<Article> out;
  for (const Rule& rule : all_rules()) out.push_back(article_of(rule, policy));
  for (const Knob& knob : knobs()) out.push_back(about(knob));
  for (const TopicWords& topic : topic_words()) out.push_back(about(topic));
  for (const MetricWords& metric : metric_words()) out.push_back(about(metric, policy));
  for (const Exported& value : exported) out.push_back(about(value));
  return out;
}

}  // namespace tcpadvisor::explain
