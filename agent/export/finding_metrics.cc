// SPDX-License-Identifier: Apache-2.0
// What the rules say, and what the agent can see.
#include <array>

#include "advisor/report/finding_json.h"
#include "advisor/rules/registry.h"
#include "agent/export/metric_labels.h"
#include "agent/export/metrics.h"

namespace tcpadvisor::exported {
namespace {

using enum MetricType;

constexpr std::array kSeverities = {Severity::critical, Severity::warning, Severity::info};

/// Every id with every severity: an alert needs a 0 as well as a 1.
void read_findings(const MetricSource& source, Family& family) {
  for (const Rule& rule : all_rules()) {
    for (Severity severity : kSeverities) family.add({rule.id, name_of(severity)}, 0);
  }
  const Verdict& verdict = source.seen.verdict;
  for (const Finding& finding : verdict.findings) family.add({finding.id, name_of(finding.severity)}, 1);
  for (const NotListed& more : verdict.not_listed)
    family.add({more.id, name_of(more.severity)}, static_cast<double>(more.findings));
}

void read_outcomes(const MetricSource& source, Family& family) {
  const Verdict& verdict = source.seen.verdict;
  family.add({"fine"}, static_cast<double>(verdict.checked_and_fine.size()));
  std::size_t nothing_there = 0;
  for (const NotAssessed& one : verdict.not_assessed) nothing_there += one.relevant ? 0 : 1;
  family.add({"not_assessed"}, static_cast<double>(verdict.not_assessed.size() - nothing_there));
  family.add({"nothing_there"}, static_cast<double>(nothing_there));
}

void read_enough(const MetricSource& source, Family& family) {
  family.add({}, source.seen.verdict.enough_data && source.seen.verdict.could_see ? 1 : 0);
}

constexpr Metric kFindings[] = {
    {{.name = "finding",
      .type = gauge,
      .unit = "",
      .labels = {"id", "severity"},
      .help = "findings of a rule now; their words are in /api/v1/report"},
     read_findings},
    {{.name = "checks",
      .type = gauge,
      .unit = "",
      .labels = {"outcome"},
      .help = "what rules said that found nothing: fine, not seen, or nothing there that could be seen"},
     read_outcomes},
    {{.name = "judgement_possible",
      .type = gauge,
      .unit = "",
      .help = "1: something could be seen, for long enough to judge what changes over time"},
     read_enough},
};

void read_covered(const MetricSource& source, Family& family) {
  for (const FactCoverage& fact : source.now().coverage) {
    const std::string_view quality = fact.in_use.empty() ? "" : fact.exact ? "exact" : "partial";
    for (std::string_view one : {"exact", "partial"}) family.add({name_of(fact.fact), one}, one == quality ? 1 : 0);
  }
}

void read_sources(const MetricSource& source, Family& family) {
  for (const FactCoverage& fact : source.now().coverage)
    family.add({name_of(fact.fact), name_of(fact.kind), fact.in_use}, fact.in_use.empty() ? 0 : 1);
}

void read_hooks(const MetricSource& source, Family& family) {
  for (const FactCoverage& fact : source.now().coverage) {
    for (const Attempt& attempt : fact.attempts) {
      if (attempt.kind == SourceKind::hook)
        family.add({name_of(fact.fact), attempt.source}, attempt.works() && attempt.source == fact.in_use ? 1 : 0);
    }
  }
}

void read_lost(const MetricSource& source, Family& family) {
  for (const auto& [kind, count] : source.now().self.lost) family.add({kind}, static_cast<double>(count));
}

void read_not_listed(const MetricSource& source, Family& family) {
  family.add({}, static_cast<double>(source.now().rows_suppressed));
}

constexpr Metric kCoverage[] = {
    {{.name = "fact_covered",
      .type = gauge,
      .unit = "",
      .labels = {"fact", "quality"},
      .help = "1: the agent knows this fact; partial: sampled or a lower bound"},
     read_covered},
    {{.name = "fact_source",
      .type = gauge,
      .unit = "",
      .labels = {"fact", "kind", "source"},
      .help = "1: the source in use; 0 with an empty source: there is none"},
     read_sources},
    {{.name = "hook_attached",
      .type = gauge,
      .unit = "",
      .labels = {"fact", "hook"},
      .help = "1: this hook in the kernel is in use for the fact"},
     read_hooks},
    {{.name = "lost_total",
      .type = counter,
      .unit = "",
      .labels = {"kind"},
      .help = "what could not be counted since the agent started"},
     read_lost},
    {{.name = "snapshot_rows_suppressed",
      .type = gauge,
      .unit = "",
      .help = "sockets that matter and are in the totals only, because there was no room for a row"},
     read_not_listed},
};

}  // namespace

void finding_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kFindings);
}

void coverage_metrics(Families& all, const MetricSource* source) {
  add_metrics(all, source, kCoverage);
}

}  // namespace tcpadvisor::exported
