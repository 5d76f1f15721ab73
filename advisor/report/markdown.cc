// SPDX-License-Identifier: Apache-2.0
// A report that pastes well into a ticket: GitHub's Markdown without HTML.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/knobs/knobs.h"
#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
#include "advisor/report/report_words.h"
#include "advisor/report/use_table.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

using Row = std::vector<std::string>;  ///< cells, escaped already

void add_table(std::string& out, const Row& headings, const std::vector<Row>& rows,
               const std::set<std::size_t>& right = {}) {
  if (rows.empty()) return;
  Row rules;
  for (std::size_t i = 0; i < headings.size(); ++i) rules.emplace_back(right.contains(i) ? "---:" : "---");
  out += fmt::format("| {} |\n| {} |\n", fmt::join(headings, " | "), fmt::join(rules, " | "));
  for (const Row& row : rows) out += fmt::format("| {} |\n", fmt::join(row, " | "));
  out += "\n";
}

void add_paragraph(std::string& out, std::string_view label, std::string_view text) {
  if (!text.empty()) out += fmt::format("**{}:** {}\n\n", label, markdown_text(text));
}

void add_header(std::string& out, const Report& report) {
  out += fmt::format("# tcpadvisor: {}\n\n", markdown_text(in_one_line(report.verdict)));
  out += markdown_text(opening_text(report)) + "\n\n";
  const HostFacts& host = report.host;
  add_table(out,
            {"Host", markdown_text(fmt::format("{}, Linux {}, {}, {}", host.name, host.kernel,
                                               counted(host.cpus, "CPU"), human_bytes(host.mem_bytes)))},
            {{"Window", markdown_text(fmt::format("{} from {}, {}, policy {}{}", seconds_text(report.seconds),
                                                  start_text(report), counted(report.samples, "sample"), report.policy,
                                                  report.verdict.enough_data ? "" : "; NOT ENOUGH DATA"))},
             {"Coverage", markdown_text(coverage_text(report))},
             {"Lost", markdown_text(lost_text(report))},
             {report.recorded.empty() ? "Made by" : "Recording",
              markdown_text(report.recorded.empty()
                                ? "tcpadvisor " + report.tool_version
                                : fmt::format("{}; judged by tcpadvisor {}", report.recorded, report.tool_version))}});
}

void add_changes(std::string& out, const Comparison& comparison) {
  std::vector<Row> rows;
  for (const auto& [kind, what] : changes_in(comparison)) rows.push_back({kind, markdown_text(what)});
  out += fmt::format("## Changed since the report of {} ({})\n\n", markdown_text(comparison.start), rows.size());
  if (rows.empty()) out += "Nothing.\n\n";
  add_table(out, {"How", "Finding"}, rows);
}

void add_overview(std::string& out, const Verdict& verdict) {
  if (verdict.findings.empty()) return;
  out += fmt::format("## Findings ({})\n\n", verdict.findings.size());
  std::vector<Row> rows;
  rows.reserve(verdict.findings.size());
  for (const Finding& finding : verdict.findings) {
    rows.push_back({std::to_string(rows.size() + 1), std::string(name_of(finding.severity)),
                    markdown_text(finding.title), markdown_code_in_table(finding.id)});
  }
  add_table(out, {"No.", "Severity", "Finding", "Rule"}, rows, {0});
}

/// What a finding says is told below: here is its number. A value that is fine is in its own table.
std::string cell_text(const Verdict& verdict, const UseCell& cell) {
  std::string out(name_of(cell.status));
  if (!cell.instances.empty()) {
    auto worst = std::ranges::find(verdict.findings, cell.instances.front(), &Finding::instance);
    out += fmt::format(": no. {}", worst - verdict.findings.begin() + 1);
    if (cell.instances.size() > 1) out += fmt::format(" and {} more", cell.instances.size() - 1);
  } else if (cell.status == UseStatus::not_seen || cell.status == UseStatus::absent) {
    out += ": " + markdown_text(cell.text);
  }
  return out;
}

void add_resources(std::string& out, const Verdict& verdict) {
  std::vector<Row> rows;
  for (const UseRow& row : use_table(verdict)) {
    rows.push_back({markdown_text(row.resource)});
    for (const UseCell& cell : row.cells) rows.back().push_back(cell_text(verdict, cell));
  }
  out += "## Resources\n\n";
  Row headings = {"Resource"};
  for (std::string_view column : kUseColumns) headings.emplace_back(column);
  add_table(out, headings, rows);
}

void add_evidence(std::string& out, const Finding& finding) {
  std::vector<Row> rows;
  rows.reserve(finding.evidence.size());
  for (const Measurement& part : finding.evidence) {
    rows.push_back({markdown_text(metric_text(part.metric)), markdown_text(value_text(part.value, part.unit)),
                    part.threshold ? markdown_text(value_text(*part.threshold, part.unit)) : "",
                    markdown_text(part.source)});
  }
  add_table(out, {"Measured", "Value", "Threshold", "Source"}, rows, {1, 2});
}

/// Steps begin with words of ours, but a name may come first.
std::string markdown_item(std::string_view text) {
  std::string out = markdown_text(text);
  const bool begins_block =
      out.starts_with('-') || out.starts_with('+') || out.starts_with('=') || out.starts_with(' ');
  return begins_block ? "\\" + out : out;
}

void add_change(std::string& out, const Recommendation& cure) {
  if (!cure.change) return;
  const Change& change = *cure.change;
  const ChangeText text = text_of(change);
  auto code = [](const std::string& values) { return markdown_code_in_table(values); };
  std::vector<Row> rows = {
      {"Setting", code(std::string(change.knob))},
      {"Where", markdown_text(text.scope)},
      {"Now", code(values_text(change.current))},
      {"Advised", code(values_text(change.target))},
      {"Range", fmt::format("{} to {}", code(values_text(change.lower)), code(values_text(change.upper)))}};
  if (const Knob* knob = find_knob(change.knob); knob != nullptr) {
    rows.push_back({"Kernel's default", markdown_text(knob->kernel_default)});
    rows.push_back({"Acts on", markdown_text(takes_effect_text(*knob))});
    rows.push_back({"Risk", markdown_text(risk_text(*knob))});
  }
  rows.push_back({"By itself safe", markdown_text(applicability_text(cure.applicability))});
  rows.push_back({"Apply", code(text.apply)});
  rows.push_back({"Keep", markdown_text(text.persist)});
  rows.push_back({"Take back", code(text.rollback)});
  add_table(out, {"Setting", code(std::string(change.knob))}, rows);
}

void add_finding(std::string& out, const Finding& finding, std::size_t number) {
  const Recommendation& cure = finding.recommendation;
  out += fmt::format("## {}. {}: {}\n\n", number, severity_word(finding.severity), markdown_text(finding.title));
  add_paragraph(out, "Who", scope_text(finding.scope));
  out += fmt::format("**Rule:** {}, finding {}, confidence {}", markdown_code(finding.id),
                     markdown_code(finding.instance), name_of(finding.confidence));
  if (!finding.confidence_why.empty()) out += ": " + markdown_text(finding.confidence_why);
  out += "\n\n";
  if (!finding.cause.empty()) out += fmt::format("**Caused by finding** {}\n\n", markdown_code(finding.cause));
  add_evidence(out, finding);
  add_paragraph(out, "What it means", finding.meaning);
  add_paragraph(out, "What to do", cure.text);
  for (const std::string& step : cure.steps) out += fmt::format("- {}\n", markdown_item(step));
  if (!cure.steps.empty()) out += "\n";
  add_change(out, cure);
  add_paragraph(out, "Set by", set_by_text(cure));
  add_paragraph(out, "How the number comes about", cure.formula);
  if (!finding.not_useful.empty()) out += "**Not useful:**\n\n";
  for (const NotUseful& useless : finding.not_useful)
    out += fmt::format("- {}: {}\n", markdown_code(useless.knob), markdown_text(useless.why));
  if (!finding.not_useful.empty()) out += "\n";
  add_paragraph(out, "Verify", cure.verify);
  add_paragraph(out, "Read more", fmt::format("{}", fmt::join(finding.references, "; ")));
}

}  // namespace

std::string report_as_markdown(const Report& report, const ReportStyle&) {
  const Verdict& verdict = report.verdict;
  std::string out;
  add_header(out, report);
  if (report.comparison) add_changes(out, *report.comparison);
  add_overview(out, verdict);
  add_resources(out, verdict);
  std::size_t number = 0;
  for (const Finding& finding : verdict.findings) add_finding(out, finding, ++number);

  auto section = [&](std::string_view title, const Row& headings, const std::vector<Row>& rows) {
    if (rows.empty()) return;
    out += fmt::format("## {} ({})\n\n", title, rows.size());
    add_table(out, headings, rows);
  };
  std::vector<Row> more, fine, unknown, advice;
  for (const NotListed& part : verdict.not_listed)
    more.push_back({markdown_code_in_table(part.id), markdown_text(not_listed_text(part))});
  for (const CheckedAndFine& part : verdict.checked_and_fine)
    fine.push_back({markdown_code_in_table(part.id), markdown_text(part.metric), markdown_text(part.value)});
  for (const auto& [ids, reason] : by_reason(verdict.not_assessed))
    unknown.push_back({markdown_text(ids), markdown_text(reason)});
  for (const NotRecommended& part : verdict.not_recommended)
    advice.push_back({markdown_text(part.advice), markdown_text(part.why)});
  std::vector<Row> endings;
  for (const auto& [what, count] : ending_lines(report.endings))
    endings.push_back({markdown_text(what), markdown_text(count)});
  section("Not listed", {"Rule", "What"}, more);
  out += "## How connections ended, since the agent started\n\n";
  add_table(out, {"What", "How many"}, endings);
  section("Checked and fine", {"Rule", "Looked at", "Value"}, fine);
  section("Not assessed", {"What", "Why"}, unknown);
  section("Not recommended", {"Advice", "Why not here"}, advice);
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

}  // namespace tcpadvisor
