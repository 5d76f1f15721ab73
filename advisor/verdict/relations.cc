// SPDX-License-Identifier: Apache-2.0
#include "advisor/verdict/relations.h"

#include <fmt/args.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/rules/registry.h"
#include "advisor/rules/words.h"
#include "advisor/verdict/links.h"

namespace tcpadvisor {
namespace {

/// In the middle of a sentence that goes on as it likes.
std::string who_of(const Finding& finding) {
  std::string who = process_text(finding.scope);
  if (who.ends_with(',')) who.pop_back();
  return who;
}

/// A declared text with its {names} filled in.
std::string filled(std::string_view text, const Finding& cause, const Links& links) {
  fmt::dynamic_format_arg_store<fmt::format_context> names;
  names.push_back(fmt::arg("who", who_of(cause)));
  names.push_back(fmt::arg("rule", cause.id));
  if (text.contains("{held}")) {
    names.push_back(fmt::arg("held", human_bytes(links.memory_of(cause))));
    names.push_back(fmt::arg("total", human_bytes(links.memory())));
  }
  return fmt::vformat(text, names);
}

void add_why(Finding& finding, const std::string& why) {
  if (!why.empty()) finding.confidence_why += (finding.confidence_why.empty() ? "" : "; ") + why;
}

/// The recommendation of a finding that goes away with its cause: no setting is changed for it.
Recommendation fix_first(const Finding& finding, std::string text) {
  Recommendation cure;
  cure.kind = RecommendationKind::application;
  cure.text = std::move(text);
  cure.verify = finding.recommendation.verify;
  return cure;
}

/// A reader whose connections this queue's story tells is lowered, if nobody else waits for it.
void tell_here(const Finding& story, const std::vector<Finding*>& readers, const Links& links) {
  for (Finding* reader : readers) {
    std::uint64_t told = links.unread_ends(story, *reader);
    if (told == 0 || told < reader->scope.count) continue;
    reader->severity = Severity::info;
    add_why(*reader, fmt::format("what waits for it is told by finding {}", story.instance));
  }
}

/// A finding that has a cause already, or that was none to act on, explains nothing.
class Candidates {
 public:
  explicit Candidates(std::vector<Finding>& findings) {
    std::map<std::string_view, std::vector<Finding*>> by_rule;
    for (Finding& finding : findings) {
      by_rule[finding.id].push_back(&finding);
      if (finding.severity == Severity::info) info_.insert(&finding);
    }
    for (auto& [rule, of_rule] : by_rule) by_rule_.emplace(rule, std::move(of_rule));
  }
  const Causes& of(std::string_view rule) const {
    static const Causes kNone({});
    auto found = by_rule_.find(rule);
    return found == by_rule_.end() ? kNone : found->second;
  }
  /// Memory is freed by mending a fault, not by what another finding explains.
  std::vector<Finding*> faults(std::string_view rule) const {
    std::vector<Finding*> out = to_act_on(rule);
    std::erase_if(out, [&](const Finding* finding) { return !finding->cause.empty(); });
    return out;
  }
  std::vector<Finding*> to_act_on(std::string_view rule) const {
    std::vector<Finding*> out = of(rule).all();
    std::erase_if(out, [&](const Finding* finding) { return info_.contains(finding); });
    return out;
  }

 private:
  std::map<std::string_view, Causes> by_rule_;
  std::unordered_set<const Finding*> info_;  ///< before any finding was lowered
};

/// Of each finding that is explained, the one that explains it.
using Explained = std::unordered_map<const Finding*, const Finding*>;

/// Applies one declared relation to all findings of its rule; what goes without saying is put into `removed`.
void apply(const ExplainedBy& relation, std::string_view rule, const Candidates& all, const Links& links,
           Explained& explained, std::unordered_set<const Finding*>& removed) {
  const bool yields = relation.then == Then::yield;
  std::optional<Causes> some;
  if (relation.link == Link::most_memory) {
    some.emplace(all.faults(relation.rule));
  } else if (yields) {
    some.emplace(all.to_act_on(relation.rule));
  }
  const Causes& causes = some ? *some : all.of(relation.rule);
  if (causes.all().empty()) return;
  for (Finding* effect : all.of(rule).all()) {
    bool lower = relation.then == Then::lower;
    if (lower && (!effect->cause.empty() || effect->severity == Severity::critical)) continue;
    if (yields && !effect->cause.empty()) continue;
    std::vector<Finding*> linked = links.causes_of(relation.link, *effect, causes);
    if (linked.empty()) continue;
    const Finding* cause = linked.front();
    if (relation.then == Then::remove) removed.insert(effect);
    if (relation.then == Then::tell_here) tell_here(*effect, linked, links);
    if (lower || yields) effect->severity = Severity::info;
    if (!effect->cause.empty()) continue;
    effect->cause = cause->instance;
    explained.emplace(effect, cause);
    if (effect->brief) continue;
    add_why(*effect, filled(relation.why, *cause, links));
    if (!relation.fix_first.empty()) {
      effect->recommendation = fix_first(*effect, filled(relation.fix_first, *cause, links));
    }
  }
}

/// Where chains of causes end. Each finding is passed once, however many chains go through it.
class Ends {
 public:
  explicit Ends(const Explained& explained) : explained_(explained) {}

  /// Null if the chain goes in a circle.
  const Finding* of(const Finding* finding) {
    std::vector<const Finding*> path;
    const Finding* end = finding;
    for (const Finding* at = finding;;) {
      // Nothing is known yet of what lies on the way; whoever comes to it again has gone in a circle.
      auto [known, is_new] = ends_.try_emplace(at, nullptr);
      end = known->second;
      if (!is_new) break;
      path.push_back(at);
      auto next = explained_.find(at);
      end = at;
      if (next == explained_.end()) break;
      at = next->second;
    }
    for (const Finding* passed : path) ends_[passed] = end;
    return end;
  }

 private:
  const Explained& explained_;
  std::unordered_map<const Finding*, const Finding*> ends_;
};

/// All of a chain is linked to the fault at its end: the steps between are effects themselves.
void link_to_the_end(std::vector<Finding>& findings, const Explained& explained) {
  Ends ends(explained);
  for (Finding& effect : findings) {
    auto first = explained.find(&effect);
    if (first == explained.end()) continue;
    const Finding* end = ends.of(&effect);
    if (end == nullptr || end == first->second) continue;
    effect.cause = end->instance;
    if (effect.brief) continue;
    add_why(effect, fmt::format("behind that is {} of {}", end->id, who_of(*end)));
  }
}

}  // namespace

void relate(const Window& window, std::vector<Finding>& findings) {
  const Links links(window);
  const Candidates all(findings);
  Explained explained;
  std::unordered_set<const Finding*> removed;
  for (const Rule& rule : all_rules()) {
    for (const ExplainedBy& relation : rule.explained_by) apply(relation, rule.id, all, links, explained, removed);
  }
  link_to_the_end(findings, explained);
  // Each is asked about where it stands, before it moves up.
  std::erase_if(findings, [&](const Finding& finding) { return removed.contains(&finding); });
}

}  // namespace tcpadvisor
