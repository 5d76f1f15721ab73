// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/kept_report.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "advisor/base/fields.h"
#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/report/json_read.h"

namespace tcpadvisor {
namespace {

using nlohmann::json;
namespace read = json_read;

constexpr std::size_t kMostValues = 8;                           // of one setting; no kernel has more than three
constexpr std::int64_t kOldestMs = std::int64_t{24} * 3600'000;  // what moved since is not only the settings
constexpr std::int64_t kClockSlackMs = 120'000;                  // two clocks, and a boot that is known to the second

std::vector<std::int64_t> values_in(const std::string& text) {
  std::vector<std::int64_t> out;
  std::string_view rest = text;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    auto value = number<std::int64_t>(word);
    if (!value || out.size() == kMostValues) return {};
    out.push_back(*value);
  }
  return out;
}

std::optional<KeptChange> change_of(const json& cure) {
  if (read::text(cure, "knob").empty()) return std::nullopt;
  return KeptChange{.knob = read::shown(cure, "knob"),
                    .scope = read::shown(cure, "scope"),
                    .netns_id = read::whole(cure, "netns_id"),
                    .current = values_in(read::text(cure, "current")),
                    .target = values_in(read::text(cure, "target")),
                    .applicability = read::shown(cure, "applicability"),
                    .applicability_why = read::shown(cure, "applicability_why"),
                    .takes_effect = read::shown(cure, "takes_effect"),
                    .apply = read::shown(cure, "apply"),
                    .persist = read::shown(cure, "persist"),
                    .persist_file = read::text(cure, "persist_file"),
                    .set_by = read::shown(read::object(cure, "set_by"), "text")};
}

KeptFinding finding_of(const json& one) {
  const json& scope = read::object(one, "scope");
  const json& cure = read::object(one, "recommendation");
  KeptFinding out{.id = read::shown(one, "id"),
                  .instance = read::shown(one, "instance"),
                  .title = read::shown(one, "title"),
                  .severity = read::shown(one, "severity"),
                  .scope_kind = read::shown(scope, "kind"),
                  .netns = read::shown(scope, "netns"),
                  .comm = read::shown(scope, "comm"),
                  .local = read::shown(scope, "local"),
                  .remote = read::shown(scope, "remote"),
                  .pid = read::whole(scope, "pid"),
                  .kind = read::shown(cure, "kind"),
                  .text = read::shown(cure, "text"),
                  .formula = read::shown(cure, "formula"),
                  .steps = {},
                  .change = change_of(cure),
                  .effect = std::nullopt};
  for (const json& step : read::list(cure, "steps")) {
    if (step.is_string()) out.steps.push_back(printable(step.get<std::string>()));
  }
  const json& effect = read::object(cure, "expected_effect");
  auto from = read::number(effect, "from"), to = read::number(effect, "to");
  if (from && to) out.effect = {.metric = read::shown(effect, "metric"), .from = *from, .to = *to};
  return out;
}

}  // namespace

Result<KeptReport> kept_report(std::string_view text) {
  const json document = read::parsed(text);
  if (!document.is_object()) return fail(ErrorCode::bad_input, "it is no JSON object, or not all of one");
  if (!document.contains("findings") || read::text(read::object(document, "tool"), "name") != "tcpadvisor")
    return fail(ErrorCode::bad_input, "it is no report of tcpadvisor");
  if (const double version = read::number(document, "schema_version").value_or(0); version != 1) {
    return fail(ErrorCode::bad_input, fmt::format("its schema_version is {:g}, and this tcpadvisor knows 1", version));
  }
  const json &host = read::object(document, "host"), &window = read::object(document, "window");
  KeptReport out{.host = read::shown(host, "name"),
                 .kernel = read::shown(host, "kernel"),
                 .tool_version = read::shown(read::object(document, "tool"), "version"),
                 .recorded = read::shown(document, "recorded"),
                 .policy = read::shown(window, "policy"),
                 .start = read::shown(window, "start"),
                 .end_ms = 0,
                 .seconds = read::number(window, "seconds").value_or(0),
                 .findings = {},
                 .fine = {},
                 .not_assessed = {}};
  auto start_ms = parse_start(out.start);
  if (!start_ms) return fail(ErrorCode::bad_input, "it does not say when it began (window.start)");
  out.end_ms = *start_ms + static_cast<std::int64_t>(std::min(to_u64(out.seconds), std::uint64_t{1} << 32)) * 1000;
  for (const json& one : read::list(document, "findings")) {
    if (one.is_object()) out.findings.push_back(finding_of(one));
  }
  for (const json& one : read::list(document, "checked_and_fine")) {
    if (one.is_object())
      out.fine[read::shown(one, "id")] = fmt::format("{}: {}", read::shown(one, "metric"), read::shown(one, "value"));
  }
  for (const json& one : read::list(document, "not_assessed")) {
    if (one.is_object()) out.not_assessed[read::shown(one, "id")] = read::shown(one, "reason");
  }
  for (const json& one : read::list(document, "not_listed")) {  // a finding that is not there may be among these
    if (one.is_object()) out.not_assessed[read::shown(one, "id")] = "it has more findings than are listed";
  }
  return out;
}

std::optional<std::int64_t> parse_start(std::string_view text) {
  namespace chrono = std::chrono;
  if (text.size() != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
      text[19] != 'Z')
    return std::nullopt;
  auto year = number<int>(text.substr(0, 4));
  auto month = number<unsigned>(text.substr(5, 2)), day = number<unsigned>(text.substr(8, 2));
  auto hour = number<unsigned>(text.substr(11, 2)), minute = number<unsigned>(text.substr(14, 2)),
       second = number<unsigned>(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  const chrono::year_month_day date{chrono::year(*year), chrono::month(*month), chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = chrono::sys_days(date).time_since_epoch().count();
  return (((days * 24 + *hour) * 60 + *minute) * 60 + *second) * 1000;
}

Status fits_here(const KeptReport& report, const Here& here) {
  auto refuse = [](std::string why) { return fail(ErrorCode::bad_input, std::move(why)); };
  if (report.host != here.host)
    return refuse(fmt::format("it is of host {}, and this is {}: make one here", report.host, here.host));
  if (report.end_ms > here.now_ms + kClockSlackMs)
    return refuse(fmt::format("it began at {}, which is later than now: make a new one", report.start));
  if (report.end_ms < here.boot_ms)
    return refuse(fmt::format("it is of {}, before this host was started: make a new one", report.start));
  if (here.now_ms - report.end_ms > kOldestMs) {
    return refuse(fmt::format("it is of {}, {} ago: what it saw may not be so any more; make a new one", report.start,
                              human_duration(std::chrono::hours((here.now_ms - report.end_ms) / 3600'000))));
  }
  return {};
}

}  // namespace tcpadvisor
