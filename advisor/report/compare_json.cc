// SPDX-License-Identifier: Apache-2.0
// A report that somebody kept as JSON, read again. The file is outside input: nothing of it is believed to be there.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "advisor/report/compare.h"
#include "advisor/report/finding_json.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;

std::string text_in(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_in(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

/// The member of that name, an empty array if there is none.
const json& list_in(const json& object, const char* key) {
  static const json kNone = json::array();
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

const json& object_in(const json& object, const char* key) {
  static const json kNone = json::object();
  auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : kNone;
}

Baseline::Item item_of(const json& finding) {
  Baseline::Item out{.id = text_in(finding, "id"),
                     .instance = text_in(finding, "instance"),
                     .title = text_in(finding, "title"),
                     .scope_kind = text_in(object_in(finding, "scope"), "kind"),
                     .comm = text_in(object_in(finding, "scope"), "comm"),
                     .severity = Severity::info,
                     .metric = {}};
  for (Severity severity : {Severity::warning, Severity::critical}) {
    if (text_in(finding, "severity") == name_of(severity)) out.severity = severity;
  }
  for (const json& part : list_in(finding, "evidence")) {
    if (!part.is_object() || !part.contains("threshold")) continue;
    out.metric = text_in(part, "metric");
    out.value = number_in(part, "value");
    out.threshold = number_in(part, "threshold");
    break;
  }
  return out;
}

}  // namespace

Result<Baseline> baseline_from_json(std::string_view text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object()) return fail(ErrorCode::bad_input, "it is no JSON object");
  if (!document.contains("findings") || text_in(object_in(document, "tool"), "name") != "tcpadvisor")
    return fail(ErrorCode::bad_input, "it is no report of tcpadvisor");
  if (const double version = number_in(document, "schema_version"); version != 1) {
    return fail(ErrorCode::bad_input, fmt::format("its schema_version is {:g}, and this tcpadvisor knows 1", version));
  }
  Baseline out{.start = text_in(object_in(document, "window"), "start"),
               .host = text_in(object_in(document, "host"), "name"),
               .findings = {},
               .judged = {}};
  for (const json& finding : list_in(document, "findings")) {
    if (!finding.is_object()) continue;
    out.findings.push_back(item_of(finding));
    out.judged.insert(out.findings.back().id);
  }
  for (const json& fine : list_in(document, "checked_and_fine")) {
    if (fine.is_object()) out.judged.insert(text_in(fine, "id"));
  }
  return out;
}

}  // namespace tcpadvisor
