// SPDX-License-Identifier: Apache-2.0
#include "agent/export/metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "agent/export/value_json.h"

namespace tcpadvisor::exported {
namespace {

/// Those of the most use first. agent_metrics is the last: it counts the others.
constexpr void (*kParts[])(Families&, const MetricSource*) = {
    finding_metrics, socket_metrics,         host_metrics,     life_metrics,        group_value_metrics,
    group_metrics,   listener_value_metrics, listener_metrics, destination_metrics, destination_value_metrics,
    queue_metrics,   coverage_metrics,       self_metrics,     agent_metrics};

nlohmann::json description_of(const Family& family) {
  return {{"name", family.name},
          {"type", name_of(family.type)},
          {"unit", family.unit},
          {"labels", family.labels},
          {"help", family.help}};
}

nlohmann::json labels_json(const Family& family, const Labels& values) {
  nlohmann::json object = nlohmann::json::object();
  for (std::size_t i = 0; i < family.labels.size() && i < values.size(); ++i) object[family.labels[i]] = values[i];
  return object;
}

}  // namespace

Families metric_families(const MetricSource* source) {
  Families all;
  for (auto part : kParts) part(all, source);
  return all;
}

void add_metrics(Families& all, const MetricSource* source, std::span<const Metric> rows) {
  for (const Metric& metric : rows) {
    Family& family = all.family(metric.row);
    if (source != nullptr) metric.read(*source, family);
  }
}

std::string metrics_as_text(bool describe) {
  std::string out;
  const Families families = metric_families(nullptr);
  for (const Family& family : families.all()) {
    out += fmt::format("{:<48} {:<9} {}\n", family.name, name_of(family.type), family.unit);
    if (!describe) continue;
    if (!family.labels.empty()) out += fmt::format("    labels: {}\n", fmt::join(family.labels, ", "));
    out += fmt::format("    {}\n", family.help);
  }
  return out;
}

std::string metrics_as_markdown() {
  std::string out = "| metric | type | unit | labels | what it is |\n|---|---|---|---|---|\n";
  const Families families = metric_families(nullptr);
  for (const Family& family : families.all()) {
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", family.name, name_of(family.type), family.unit,
                       fmt::join(family.labels, ", "), family.help);
  }
  return out;
}

std::string metrics_as_json() {
  nlohmann::json all = nlohmann::json::array();
  const Families families = metric_families(nullptr);
  for (const Family& family : families.all()) all.push_back(description_of(family));
  return one_line(all) + "\n";
}

std::string families_as_json(const Families& families) {
  nlohmann::json all = nlohmann::json::array();
  for (const Family& family : families.all()) {
    nlohmann::json object = description_of(family);
    nlohmann::json points = nlohmann::json::array();
    for (const auto& [labels, value] : family.points())
      points.push_back({{"labels", labels_json(family, labels)}, {"value", value}});
    for (const auto& [labels, histogram] : family.histograms()) {
      points.push_back({{"labels", labels_json(family, labels)},
                        {"edges", family.edges},
                        {"counts", histogram.counts},
                        {"sum", histogram.sum}});
    }
    object["points"] = std::move(points);
    all.push_back(std::move(object));
  }
  return one_line(all) + "\n";
}

}  // namespace tcpadvisor::exported
