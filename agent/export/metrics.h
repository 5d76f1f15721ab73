// SPDX-License-Identifier: Apache-2.0
// The metrics: what of one tick, and of what was counted since the agent started, is told to Prometheus. The list is
// made of the rows of *_values.cc that have a metric's name, and of the rows of *_metrics.cc for what `watch --json`
// does not have: exposition, descriptions, docs/metrics.md and JSON all come from it. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/export/agent_numbers.h"
#include "agent/export/families.h"
#include "agent/export/tally.h"
#include "agent/observe/observation.h"

namespace tcpadvisor::exported {

struct MetricSource {
  const observe::Observation& seen;
  const Tally& tally;
  const AgentNumbers& agent;
  /// Groups and listeners that had series of their own at the scrape before; changed by each.
  std::vector<Labels>&groups, &listeners;

  const Sample& now() const { return seen.now(); }
};

/// More series than these in all are dropped, and counted.
inline constexpr std::size_t kMostSeriesInAll = 2'000;

/// Every family there is; with a source, and its points.
Families metric_families(const MetricSource* source);

// One part of the list each; `source` is null when only the families are wanted.
void host_metrics(Families& all, const MetricSource* source);               // host_values.cc
void group_value_metrics(Families& all, const MetricSource* source);        // owner_values.cc
void listener_value_metrics(Families& all, const MetricSource* source);     // socket_values.cc
void self_metrics(Families& all, const MetricSource* source);               // host_values.cc
void destination_value_metrics(Families& all, const MetricSource* source);  // connect_values.cc
void socket_metrics(Families& all, const MetricSource* source);
void life_metrics(Families& all, const MetricSource* source);
void group_metrics(Families& all, const MetricSource* source);
void listener_metrics(Families& all, const MetricSource* source);
void destination_metrics(Families& all, const MetricSource* source);
void queue_metrics(Families& all, const MetricSource* source);
void finding_metrics(Families& all, const MetricSource* source);
void coverage_metrics(Families& all, const MetricSource* source);
void agent_metrics(Families& all, const MetricSource* source);

/// A row of *_metrics.cc.
struct Metric {
  FamilyRow row;
  void (*read)(const MetricSource& source, Family& family);
};
void add_metrics(Families& all, const MetricSource* source, std::span<const Metric> rows);

/// The list for people: aligned text, a Markdown table, or JSON; with the last newline.
std::string metrics_as_text(bool describe);
std::string metrics_as_markdown();
std::string metrics_as_json();
/// Families and points as JSON, for /api/v1/metrics.
std::string families_as_json(const Families& families);

}  // namespace tcpadvisor::exported
