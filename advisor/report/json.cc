// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
#include "advisor/report/network_json.h"
#include "advisor/report/report_words.h"
#include "advisor/report/use_table.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;

/// The source in use for each fact, null where there is none; `tcpadvisor doctor --json` tells what was tried.
json coverage_json(const Report& report) {
  json out = json::object();
  for (const FactCoverage& fact : report.coverage)
    out[std::string(name_of(fact.fact))] = fact.in_use.empty() ? json() : json(fact.in_use);
  return out;
}

json changes_json(const Comparison& comparison) {
  json out = {{"start", comparison.start}, {"host", comparison.host}};
  for (const char* list : {"new", "worse", "better", "resolved", "not_seen", "same"}) out[list] = json::array();
  for (const Difference& one : comparison.differences) {
    json entry = {
        {"id", one.id}, {"instance", one.instance}, {"title", one.title}, {"severity", name_of(one.severity)}};
    if (one.before) entry["before"] = name_of(*one.before);
    if (!one.why.empty()) entry["why"] = one.why;
    std::string list(name_of(one.kind));
    std::ranges::replace(list, ' ', '_');
    out[list].push_back(std::move(entry));
  }
  return out;
}

std::string_view token_of(UseStatus status) {
  switch (status) {
    case UseStatus::not_seen:
      return "not_seen";
    case UseStatus::absent:
      return "absent";
    case UseStatus::no_rule:
      return "no_rule";
    default:
      return name_of(status);
  }
}

json resources_json(const Verdict& verdict) {
  constexpr std::array kColumns = {"utilisation", "saturation", "errors"};
  json out = json::array();
  for (const UseRow& row : use_table(verdict)) {
    json entry = {{"resource", row.resource}};
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const UseCell& cell = row.cells[i];
      entry[kColumns[i]] = {{"status", token_of(cell.status)}, {"text", cell.text}, {"findings", cell.instances}};
    }
    out.push_back(std::move(entry));
  }
  return out;
}

/// Null where no source counts them.
json endings_json(const Endings& endings) {
  if (!endings.totals) return nullptr;
  const LifecycleTotals& all = *endings.totals;
  json out = {{"opened", all.opened},
              {"closed", all.closed},
              {"closed_by_us", all.closed_by_us},
              {"closed_by_peer", all.closed_by_peer},
              {"reset", all.reset},
              {"unread_at_close", all.unread_at_close},
              {"unread_bytes_at_close", all.unread_bytes_at_close},
              {"unsent_at_close", all.unsent_at_close},
              {"unsent_bytes_at_close", all.unsent_bytes_at_close},
              {"resets_sent", endings.resets_seen ? json(all.resets_sent) : json()},
              {"dwell", json::array()}};
  auto by_process = [](const std::vector<Endings::Closer>& list, const char* what, auto count) {
    json array = json::array();
    for (const Endings::Closer& one : list) array.push_back({{"pid", one.pid}, {"comm", one.comm}, {what, one.*count}});
    return array;
  };
  out["closes_by_process"] = by_process(endings.closers, "closes", &Endings::Closer::closes);
  out["resets_by_process"] =
      endings.resetters ? by_process(*endings.resetters, "resets", &Endings::Closer::resets) : json();
  for (const Endings::Dwell& one : endings.dwells) {
    out["dwell"].push_back(
        {{"state", name_of(one.state)}, {"times", one.times}, {"half_ms", one.half_ms}, {"p99_ms", one.most_ms}});
  }
  return out;
}

}  // namespace

std::string report_as_json(const Report& report, const ReportStyle&) {
  const Verdict& verdict = report.verdict;
  json out;
  out["schema_version"] = 1;
  out["tool"] = {{"name", "tcpadvisor"}, {"version", report.tool_version}};
  out["host"] = {{"name", report.host.name},
                 {"kernel", report.host.kernel},
                 {"cpus", report.host.cpus},
                 {"mem_bytes", report.host.mem_bytes}};
  out["window"] = {{"start", start_text(report)},     {"seconds", report.seconds}, {"samples", report.samples},
                   {"interval_s", report.interval_s}, {"policy", report.policy},   {"enough_data", verdict.enough_data},
                   {"could_see", verdict.could_see}};
  if (!report.recorded.empty()) out["recorded"] = report.recorded;
  out["coverage"] = coverage_json(report);
  out["lost"] = report.lost;
  out["lost"]["rows_suppressed"] = report.rows_suppressed;
  out["partial"] = report.partial;
  if (report.partial) out["partial_why"] = report.partial_why;
  out["resources"] = resources_json(verdict);
  for (const char* list : {"findings", "checked_and_fine", "not_assessed", "not_recommended"})
    out[list] = json::array();
  for (const Finding& finding : verdict.findings) out["findings"].push_back(to_json(finding));
  out["not_listed"] = to_json(verdict.not_listed);
  for (const CheckedAndFine& fine : verdict.checked_and_fine) {
    out["checked_and_fine"].push_back({{"id", fine.id}, {"metric", fine.metric}, {"value", fine.value}});
  }
  for (const NotAssessed& part : verdict.not_assessed)
    out["not_assessed"].push_back({{"id", part.id}, {"reason", part.reason}, {"relevant", part.relevant}});
  for (const NotRecommended& advice : verdict.not_recommended) {
    out["not_recommended"].push_back({{"advice", advice.advice}, {"why", advice.why}});
  }
  out["networks"] = networks_json(report.networks);
  out["networks_not_shown"] = networks_not_shown_json(report.networks);
  out["endings"] = endings_json(report.endings);
  out["changed_since"] = report.comparison ? changes_json(*report.comparison) : json();
  return json_for_eyes(out.dump(2, ' ', false, json::error_handler_t::replace)) + "\n";
}

}  // namespace tcpadvisor
