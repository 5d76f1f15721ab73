// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/standing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/verdict/identity.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kWhy = "it is back within its mark, and stands until it is beyond the lower mark as well";

}  // namespace

std::uint64_t Standing::setting_of(const Finding& finding) {
  const Boxed<Change>& change = finding.recommendation.change;
  return change ? stable_hash(fmt::format("{} = {}", change->knob, values_text(change->current))) : 0;
}

void Standing::add(const Connections& connections, std::string_view rule, const std::vector<Finding>& findings) {
  if (findings.empty()) return;
  OfRule& stands = by_rule_[std::string(rule)];
  for (const Finding& finding : findings) {
    if (finding.brief) continue;
    const One one{.severity = finding.severity, .setting = setting_of(finding)};
    auto [at, is_new] = stands.try_emplace(subject_of(connections, finding), one);
    if (!is_new) at->second.severity = std::max(at->second.severity, one.severity);
  }
}

Outcome Standing::judged(const Rule& rule, const Evidence& whole, const Policy& own) const {
  Outcome outcome = rule.judge(Evidence(whole, own));
  auto known = by_rule_.find(rule.id);
  if (known == by_rule_.end()) return outcome;
  std::map<std::uint64_t, Finding*> now;
  for (Finding& finding : outcome.findings) now.emplace(subject_of(whole.window.connections(), finding), &finding);
  // Nothing to hold where each of them is said again as loudly.
  const bool all_said = std::ranges::all_of(known->second, [&](const auto& stands) {
    auto said = now.find(stands.first);
    return said != now.end() && said->second->severity >= stands.second.severity;
  });
  if (all_said) return outcome;
  const Policy lower = own.to_clear();
  std::vector<Finding> held;
  for (Finding& finding : rule.judge(Evidence(whole, lower)).findings) {
    const std::uint64_t subject = subject_of(whole.window.connections(), finding);
    auto stands = known->second.find(subject);
    if (stands == known->second.end()) continue;
    const std::uint64_t setting = setting_of(finding), then = stands->second.setting;
    if (setting != 0 && then != 0 && setting != then) continue;
    finding.severity = std::min(finding.severity, stands->second.severity);
    auto said = now.find(subject);
    if (said != now.end() && said->second->severity >= finding.severity) continue;
    finding.confidence_why += (finding.confidence_why.empty() ? "" : "; ") + std::string(kWhy);
    if (said != now.end()) {
      *said->second = std::move(finding);
    } else {
      held.push_back(std::move(finding));
    }
  }
  std::ranges::move(held, std::back_inserter(outcome.findings));
  if (!outcome.findings.empty()) outcome.fine_metric.clear();
  return outcome;
}

}  // namespace tcpadvisor
