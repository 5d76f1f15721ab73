// SPDX-License-Identifier: Apache-2.0
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "advisor/report/finding_json.h"
#include "advisor/report/report.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;

/// The source in use for each fact, null where there is none; `tcpadvisor doctor --json` tells what was tried.
json coverage_json(const Sample& now) {
  json out = json::object();
  for (const FactCoverage& fact : now.coverage) out[fact.fact] = fact.in_use.empty() ? json() : json(fact.in_use);
  return out;
}

}  // namespace

json report_json(const Window& window, const Policy& policy, const Verdict& verdict, const ReportOptions& options) {
  const Sample& now = window.latest();
  json out;
  out["schema_version"] = 1;
  out["tool"] = {{"name", "tcpadvisor"}, {"version", options.tool_version}};
  out["host"] = {
      {"name", now.host.name}, {"kernel", now.host.kernel}, {"cpus", now.host.cpus}, {"mem_bytes", now.host.mem_bytes}};
  out["window"] = {{"start", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(window.first().wall_ms / 1000))},
                   {"seconds", window.span_s()},
                   {"samples", window.samples()},
                   {"interval_s", window.interval_s()},
                   {"policy", policy.name},
                   {"enough_data", verdict.enough_data}};
  out["coverage"] = coverage_json(now);
  out["lost"] = now.self.lost;
  out["lost"]["rows_suppressed"] = now.rows_suppressed;
  out["partial"] = now.self.partial;
  if (now.self.partial) out["partial_why"] = now.self.partial_why;
  for (const char* list : {"findings", "checked_and_fine", "not_assessed", "not_recommended"})
    out[list] = json::array();
  for (const Finding& finding : verdict.findings) out["findings"].push_back(to_json(finding));
  for (const CheckedAndFine& fine : verdict.checked_and_fine) {
    out["checked_and_fine"].push_back({{"id", fine.id}, {"metric", fine.metric}, {"value", fine.value}});
  }
  for (const NotAssessed& part : verdict.not_assessed)
    out["not_assessed"].push_back({{"id", part.id}, {"reason", part.reason}});
  for (const NotRecommended& advice : verdict.not_recommended) {
    out["not_recommended"].push_back({{"advice", advice.advice}, {"why", advice.why}});
  }
  out["changed_since"] = nullptr;  // one report alone has nothing to compare with
  return out;
}

}  // namespace tcpadvisor
