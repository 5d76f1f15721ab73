// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "advisor/base/saturate.h"
#include "advisor/base/sort.h"
#include "advisor/base/text.h"
#include "advisor/knobs/knobs.h"
#include "advisor/knobs/set_by.h"
#include "advisor/rules/holder.h"
#include "advisor/rules/registry.h"
#include "advisor/rules/words.h"
#include "advisor/verdict/automatic.h"
#include "advisor/verdict/folk_advice.h"
#include "advisor/verdict/identity.h"
#include "advisor/verdict/one_per_knob.h"
#include "advisor/verdict/relations.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kEnoughSamples = 3;  // what the leak rules need to see a direction

/// Applications first: no setting helps before they are fixed. Then memory, because it hurts everybody.
int precedence(FindingClass finding_class) {
  switch (finding_class) {
    case FindingClass::application:
      return 0;
    case FindingClass::memory:
      return 1;
    case FindingClass::attack:
      return 2;
    case FindingClass::capacity:
      return 3;
    case FindingClass::kernel_config:
      return 4;
    case FindingClass::network_path:
      return 5;
    case FindingClass::peer:
      return 6;
  }
  return 7;
}

/// Findings are large and may be many: each is moved once, to where it stays.
std::vector<Finding> join(std::vector<std::vector<Finding>> parts) {
  std::vector<Finding> all;
  std::size_t count = 0;
  for (const auto& part : parts) count += part.size();
  all.reserve(count);
  for (auto& part : parts) {
    all.insert(all.end(), std::move_iterator(part.begin()), std::move_iterator(part.end()));
    part = {};
  }
  return all;
}

void sort_findings(std::vector<Finding>& findings) {
  using Rank = std::tuple<int, int, std::uint64_t, std::string_view, std::string_view>;
  sort_by_key(findings, [](const Finding& finding) {
    return Rank(-static_cast<int>(finding.severity), precedence(finding.finding_class), ~finding.scope.count,
                finding.id, finding.instance);
  });
}

/// Why namespaces that may exist beside the ones we read were not looked at; empty when the best way to find them
/// works.
std::string unseen_namespaces(const Sample& sample) {
  const FactCoverage* fact = sample.fact(FactId::namespaces);
  if (fact == nullptr || fact->attempts.empty() || fact->attempts.front().works()) return "";
  const Attempt& best = fact->attempts.front();
  bool says_cure = best.cure.empty() || best.why_not_names_cure;
  return fmt::format("only {} could be read: {}{}", fact->in_use.empty() ? "ours" : fact->in_use, best.why_not,
                     says_cure ? "" : "; needs " + best.cure);
}

/// The namespaces of which the latest sample has nothing to say.
struct Unread {
  std::size_t chosen = 0, count = 0;
  const NetnsSample* first = nullptr;
  bool all() const { return count == chosen; }
};

Unread unread_namespaces(const Sample& sample) {
  Unread out{.chosen = sample.netns.size()};
  for (const NetnsSample& netns : sample.netns) {
    if (netns.error.empty()) continue;
    ++out.count;
    if (out.first == nullptr) out.first = &netns;
  }
  return out;
}

/// Which sockets the rule should have judged one by one and could not; empty if it has seen all of them.
std::string unseen_sockets(const Rule& rule, const Sample& sample, const StateTotals& unlisted) {
  const EachOf each = rule.covers.each;
  if (each == EachOf::none) return "";
  if (sample.rows_suppressed > 0) {
    return fmt::format("{} over the limit of rows", counted(sample.rows_suppressed, "socket"));
  }
  const bool some = (each == EachOf::flows && !sample.quiet_unlisted && unlisted.count > 0) ||
                    (each == EachOf::senders && unlisted.send_q > 0);
  if (!some) return "";
  return fmt::format("{} without a row of their own: this host has too many to list others than the busiest",
                     counted(unlisted.count, "connection"));
}

/// A rule that found nothing to report: is it fine, where, or not known?
void add_fine(const Rule& rule, Outcome& outcome, const Unread& unread, Verdict& verdict) {
  auto not_assessed = [&](std::string why) { verdict.not_assessed.push_back({std::string(rule.id), std::move(why)}); };
  if (rule.covers.every_namespace && unread.count > 0) {
    if (unread.all()) return not_assessed(fmt::format("{}: {}", unread.first->name, unread.first->error));
    outcome.fine_metric += fmt::format(" (in {} of {} namespaces)", unread.chosen - unread.count, unread.chosen);
  }
  verdict.checked_and_fine.push_back(
      {std::string(rule.id), std::move(outcome.fine_metric), std::move(outcome.fine_value)});
}

/// What people know about the process of a finding beside its pid, and what there is to say where there is none.
void say_who(const Window& window, std::vector<Finding>& findings) {
  for (Finding& finding : findings) {
    if (finding.brief) continue;
    Scope& scope = finding.scope;
    const OwnerTotals* owner = scope.pid ? window.connections().owner(*scope.pid) : nullptr;
    bool by_owner = owner != nullptr && owner->comm == scope.comm && !owner->cgroup.empty();
    scope.group = window.latest().group_at(by_owner ? owner->cgroup : scope.cgroup);
    if (owner != nullptr) scope.pid_inside = owner->pid_inside;
    fit_to_holder(finding);
  }
}

/// The setting that a finding is about: the one that it changes, or the one whose value it measures.
std::string_view setting_of(const Finding& finding) {
  if (finding.recommendation.change) return finding.recommendation.change->knob;
  bool about_one = finding.finding_class == FindingClass::kernel_config && !finding.evidence.empty();
  const Knob* knob = about_one ? find_knob(finding.evidence.front().source) : nullptr;
  return knob == nullptr ? std::string_view() : knob->name;
}

void say_who_set_it(const Window& window, std::vector<Finding>& findings) {
  for (Finding& finding : findings) {
    std::string_view knob = setting_of(finding);
    if (knob.empty()) continue;
    Recommendation& cure = finding.recommendation;
    const NetnsId netns = cure.change ? cure.change->netns : finding.scope.netns;
    cure.set_by = who_set(window, netns, knob);
    if (finding.finding_class != FindingClass::kernel_config) continue;
    std::set<std::string_view> told = {knob};
    for (const Measurement& part : finding.evidence) {
      const Knob* other = find_knob(part.source);
      if (other == nullptr || !told.insert(other->name).second) continue;
      if (auto by = who_set(window, netns, other->name)) cure.set_by_also.push_back(std::move(*by));
    }
  }
}

Status known_ids(const std::vector<std::string>& ids, std::string_view option) {
  for (const std::string& id : ids) {
    if (find_rule(id) != nullptr) continue;
    std::string known;
    for (const Rule& rule : all_rules()) known += fmt::format("{}{}", known.empty() ? "" : ", ", rule.id);
    return fail(ErrorCode::bad_input,
                fmt::format("{}: there is no rule '{}'; the rules are: {}", option, printable(id), known));
  }
  return {};
}

}  // namespace

Verdict judge(const Window& window, const Policy& policy, const Standing& before) {
  Verdict verdict;
  verdict.enough_data = window.samples() >= kEnoughSamples;
  if (window.empty()) {
    for (const Rule& rule : all_rules()) verdict.not_assessed.push_back({std::string(rule.id), "nothing was observed"});
    return verdict;
  }
  const Evidence whole(window, policy);
  const Unread unread = unread_namespaces(window.latest());
  const StateTotals unlisted = unlisted_connections(window.latest());
  verdict.could_see = unread.chosen == 0 || !unread.all();
  std::vector<std::vector<Finding>> found;
  for (const Rule& rule : all_rules()) {
    Policy own = policy.of(rule.id);
    Outcome outcome = before.judged(rule, whole, own);
    if (std::string why = unseen_sockets(rule, window.latest(), unlisted);
        outcome.not_assessed.empty() && !why.empty()) {
      outcome.not_assessed = std::move(why);
      outcome.fine_metric.clear();
    }
    leave_brief(outcome.findings);
    verdict.standing.add(window.connections(), rule.id, outcome.findings);
    for (Finding& finding : outcome.findings) {
      if (finding.references.empty() && !finding.brief)
        finding.references.assign(rule.references.begin(), rule.references.end());
    }
    found.push_back(std::move(outcome.findings));
    if (!outcome.fine_metric.empty()) add_fine(rule, outcome, unread, verdict);
    if (!outcome.not_assessed.empty()) {
      verdict.not_assessed.push_back({std::string(rule.id), std::move(outcome.not_assessed), !outcome.nothing_there});
    }
  }
  verdict.findings = join(std::move(found));
  if (std::string why = unseen_namespaces(window.latest()); !why.empty()) {
    verdict.not_assessed.push_back({"netns:others", std::move(why)});
  }
  for (const NetnsSample& netns : window.latest().netns) {
    if (!netns.error.empty()) verdict.not_assessed.push_back({"netns:" + netns.name, netns.error});
  }
  say_who(window, verdict.findings);
  set_instances(window.connections(), verdict.findings);
  relate(window, verdict.findings);
  one_per_knob(whole, verdict.findings);
  verdict.not_listed = take_out_brief(verdict.findings);
  say_who_set_it(window, verdict.findings);
  mark_automatic(window, verdict.findings);
  sort_findings(verdict.findings);
  verdict.not_recommended = folk_advice(window.latest());
  return verdict;
}

Status select(Verdict& verdict, const std::vector<std::string>& only, const std::vector<std::string>& skip) {
  if (Status known = known_ids(only, "--only"); !known) return known;
  if (Status known = known_ids(skip, "--skip"); !known) return known;
  auto unwanted = [&](const std::string& id) {
    bool chosen = only.empty() || std::ranges::find(only, id) != only.end();
    return !chosen || std::ranges::find(skip, id) != skip.end();
  };
  std::erase_if(verdict.findings, [&](const Finding& finding) { return unwanted(finding.id); });
  std::erase_if(verdict.not_listed, [&](const NotListed& more) { return unwanted(more.id); });
  std::erase_if(verdict.checked_and_fine, [&](const CheckedAndFine& fine) { return unwanted(fine.id); });
  // A namespace that could not be read concerns every rule.
  std::erase_if(verdict.not_assessed,
                [&](const NotAssessed& part) { return find_rule(part.id) != nullptr && unwanted(part.id); });
  return {};
}

int exit_code(const Verdict& verdict) {
  auto any = [&](Severity severity) {
    return std::ranges::find(verdict.findings, severity, &Finding::severity) != verdict.findings.end() ||
           std::ranges::find(verdict.not_listed, severity, &NotListed::severity) != verdict.not_listed.end();
  };
  if (any(Severity::critical)) return 11;
  if (any(Severity::warning)) return 10;
  return verdict.enough_data && verdict.could_see ? 0 : 12;
}

std::uint64_t to_act_on(const Verdict& verdict) {
  auto counts = [](const auto& one) { return one.severity != Severity::info; };
  auto sum = static_cast<std::uint64_t>(std::ranges::count_if(verdict.findings, counts));
  for (const NotListed& more : verdict.not_listed) sum = add_sat(sum, counts(more) ? more.findings : 0);
  return sum;
}

std::size_t unseen(const Verdict& verdict) {
  return static_cast<std::size_t>(std::ranges::count(verdict.not_assessed, true, &NotAssessed::relevant));
}

}  // namespace tcpadvisor
