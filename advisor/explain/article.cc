// SPDX-License-Identifier: Apache-2.0
#include "advisor/explain/article.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "advisor/base/did_you_mean.h"
#include "advisor/base/text.h"
#include "advisor/explain/rule_article.h"
#include "advisor/explain/words.h"
#include "advisor/knobs/knobs.h"
#include "advisor/rules/registry.h"

namespace tcpadvisor::explain {
namespace {

constexpr std::array<std::string_view, 4> kKindNames = {"rule", "setting", "metric", "value"};

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('.') + 1);
}

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
  Article out{Kind::setting,
              std::string(knob.name),
              std::string(area_of(knob.name)),
              std::string(words == nullptr ? "" : words->what),
              {}};
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
  Article out{Kind::metric, std::string(metric.name), "evidence", std::string(metric.what), {}};
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
  Article out{Kind::value, value.path, "values for programs", value.help, {}};
  out.parts.push_back({"Where", {"in each tick of watch --json, as " + value.path}});
  out.parts.push_back({"Form", {value.unit.empty() ? value.type : fmt::format("{}, in {}", value.type, value.unit)}});
  return out;
}

/// "net/ipv4/tcp_rmem[2]" -> "net.ipv4.tcp_rmem"
std::string plain(std::string_view name) {
  std::string out(name);
  if (out.starts_with("net/") || out.starts_with("fs/")) std::ranges::replace(out, '/', '.');
  if (out.ends_with(']') && out.rfind('[') != out.npos && !out.ends_with("[]")) out.resize(out.rfind('['));
  return out;
}

}  // namespace

std::string_view name_of(Kind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::vector<Article> articles(const Policy& policy, std::span<const Exported> exported) {
  std::vector<Article> out;
  for (const Rule& rule : all_rules()) out.push_back(article_of(rule, policy));
  for (const Knob& knob : knobs()) out.push_back(about(knob));
  for (const MetricWords& metric : metric_words()) out.push_back(about(metric, policy));
  for (const Exported& value : exported) out.push_back(about(value));
  return out;
}

Result<std::vector<Article>> articles_named(std::string_view name, const std::vector<Article>& all) {
  const std::string wanted = plain(name);
  std::vector<Article> exact, by_end;
  std::vector<std::string_view> words;
  for (const Article& one : all) {
    words.emplace_back(one.name);
    words.push_back(last_part(one.name));
    if (one.name == wanted) exact.push_back(one);
    if (last_part(one.name) == wanted) by_end.push_back(one);
  }
  // A whole path is meant alone; a bare name is what all those are called that end in it.
  if (wanted.find('.') != wanted.npos && !exact.empty()) return exact;
  if (!by_end.empty()) return by_end;
  if (!exact.empty()) return exact;
  std::string guess = did_you_mean(wanted, words);
  return fail(ErrorCode::bad_input, fmt::format("there is no rule, setting or metric '{}'{}", printable(name),
                                                guess.empty() ? "; tcpadvisor explain lists what there is" : guess));
}

}  // namespace tcpadvisor::explain
