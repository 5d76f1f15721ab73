// SPDX-License-Identifier: Apache-2.0
// A report that somebody kept as JSON, read again. The file is outside input: nothing of it is believed to be there.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "advisor/report/compare.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/json_read.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;
namespace read = json_read;

Baseline::Item item_of(const json& finding) {
  Baseline::Item out{.id = read::text(finding, "id"),
                     .instance = read::text(finding, "instance"),
                     .title = read::text(finding, "title"),
                     .scope_kind = read::text(read::object(finding, "scope"), "kind"),
                     .comm = read::text(read::object(finding, "scope"), "comm"),
                     .severity = Severity::info,
                     .metric = {}};
  for (Severity severity : {Severity::warning, Severity::critical}) {
    if (read::text(finding, "severity") == name_of(severity)) out.severity = severity;
  }
  for (const json& part : read::list(finding, "evidence")) {
    if (!part.is_object() || !part.contains("threshold")) continue;
    out.metric = read::text(part, "metric");
    out.value = read::number(part, "value").value_or(0);
    out.threshold = read::number(part, "threshold").value_or(0);
    break;
  }
  return out;
}

}  // namespace

Result<Baseline> baseline_from_json(std::string_view text) {
  const json document = read::parsed(text);
  if (!document.is_object()) return fail(ErrorCode::bad_input, "it is no JSON object");
  if (!document.contains("findings") || read::text(read::object(document, "tool"), "name") != "tcpadvisor")
    return fail(ErrorCode::bad_input, "it is no report of tcpadvisor");
  if (const double version = read::number(document, "schema_version").value_or(0); version != 1) {
    return fail(ErrorCode::bad_input, fmt::format("its schema_version is {:g}, and this tcpadvisor knows 1", version));
  }
  Baseline out{.start = read::text(read::object(document, "window"), "start"),
               .host = read::text(read::object(document, "host"), "name"),
               .findings = {},
               .judged = {}};
  for (const json& finding : read::list(document, "findings")) {
    if (!finding.is_object()) continue;
    out.findings.push_back(item_of(finding));
    out.judged.insert(out.findings.back().id);
  }
  for (const json& fine : read::list(document, "checked_and_fine")) {
    if (fine.is_object()) out.judged.insert(read::text(fine, "id"));
  }
  return out;
}

}  // namespace tcpadvisor
