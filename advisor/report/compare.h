// SPDX-License-Identifier: Apache-2.0
// Two reports of one host: what is new, worse, better, resolved, the same. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/rules/finding.h"
#include "advisor/verdict/verdict.h"

namespace tcpadvisor {

struct Report;

/// An earlier report, as far as a later one is compared with it.
struct Baseline {
  struct Item {
    std::string id, instance, title, scope_kind, comm;
    Severity severity = Severity::info;
    std::string metric;  ///< of the first evidence with a threshold; empty if there is none
    double value = 0, threshold = 0;
  };
  std::string start, host;  ///< when it began to observe, and where
  std::vector<Item> findings;
  std::set<std::string, std::less<>> judged;  ///< rules that could judge: fine, or with findings
};

Baseline baseline_of(const Report& report);
/// From `report --format json`, of any version with schema_version 1. Anything else is bad_input, in one line.
Result<Baseline> baseline_from_json(std::string_view text);

enum class ChangeKind : std::uint8_t { added, worse, better, resolved, not_seen, same };
std::string_view name_of(ChangeKind kind);  ///< "new", "worse", "better", "resolved", "not seen", "same"

struct Difference {
  ChangeKind kind = ChangeKind::same;
  std::string id, instance, title;      ///< of the finding now; of the one then, if it is gone
  Severity severity = Severity::info;   ///< the same
  std::optional<Severity> before = {};  ///< of the one then, if there are both
  std::string why;                      ///< what of it changed, in a few words
};

struct Comparison {
  std::string start, host;              ///< of the earlier report
  std::vector<Difference> differences;  ///< by kind in the order of ChangeKind, then as the reports list them
  std::size_t count(ChangeKind kind) const;
};

/// Findings are the same by instance; those that are left, by rule, kind of scope and name of the process, then by rule
/// and kind of scope: a process that began again has another pid. Worse is a higher severity, or at the same severity a
/// measured number that has gone a quarter further beyond its threshold. What a rule cannot judge now is not resolved.
Comparison compare(const Baseline& then, const Report& now);

/// Something that is more than information is new or worse.
bool got_worse(const Comparison& comparison);

}  // namespace tcpadvisor
