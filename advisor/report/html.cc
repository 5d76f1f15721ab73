// SPDX-License-Identifier: Apache-2.0
// A report as one HTML file that needs nothing else: no script, no request, readable on a phone and on paper.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "advisor/base/columns.h"
#include "advisor/base/text.h"
#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
#include "advisor/report/html_card.h"
#include "advisor/report/html_style.h"
#include "advisor/report/report_words.h"
#include "advisor/report/use_table.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

using Row = std::vector<std::string>;  ///< not escaped; the first cell is the row's heading

void add_head(std::string& out, const Report& report) {
  out += fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n<title>{}: {}</title>\n<style>{}</style>\n</head>\n",
      html_text(report.host.name), html_text(in_one_line(report.verdict)), html_style());
}

/// The colour of the verdict: green is only for what was seen.
std::string_view tone_of(const Verdict& verdict) {
  if (to_act_on(verdict) > 0) {
    auto critical = [](const auto& one) { return one.severity == Severity::critical; };
    const bool any =
        std::ranges::any_of(verdict.findings, critical) || std::ranges::any_of(verdict.not_listed, critical);
    return any ? "critical" : "warning";
  }
  return verdict.could_see && verdict.enough_data && unseen(verdict) == 0 ? "fine" : "unsure";
}

void add_header(std::string& out, const Report& report) {
  const Verdict& verdict = report.verdict;
  const HostFacts& host = report.host;
  out += "<body>\n<a class=\"skip\" href=\"#findings\">Skip to the findings</a>\n<header>\n";
  out += fmt::format("<p class=\"brand\">tcpadvisor report</p>\n<h1 class=\"{}\">{}</h1>\n<p class=\"lead\">{}</p>\n",
                     tone_of(verdict), html_text(in_one_line(verdict)), html_text(opening_text(report)));
  out += "<dl class=\"facts\">\n";
  auto add = [&](std::string_view name, std::string_view text) {
    out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html_text(text));
  };
  add("Host", fmt::format("{}, Linux {}, {}, {}", host.name, host.kernel, counted(host.cpus, "CPU"),
                          human_bytes(host.mem_bytes)));
  add("Window", fmt::format("{} from {}, {}, policy {}{}", seconds_text(report.seconds), start_text(report),
                            counted(report.samples, "sample"), report.policy,
                            verdict.enough_data ? "" : "; NOT ENOUGH DATA: observe for longer"));
  add("Coverage", coverage_text(report));
  add("Lost", lost_text(report));
  if (report.comparison) add("Compared", compared_text(*report.comparison));
  out += "</dl>\n</header>\n<main>\n";
}

std::string cell_text(const UseCell& cell) {
  constexpr std::size_t kLetters = 110;
  std::string text = printable(cell.text);
  return text.size() <= kLetters ? text : cut(text, kLetters);
}

/// The roles are told again: a table that is laid out as blocks on a small screen is none any more for some readers.
void add_use_table(std::string& out, const Verdict& verdict) {
  out +=
      "<section aria-labelledby=\"use\">\n<h2 id=\"use\">The host at a glance</h2>\n<div class=\"panel\">\n"
      "<table class=\"use\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\"><th scope=\"col\" "
      "role=\"columnheader\">Resource</th>";
  for (std::string_view column : kUseColumns)
    out += fmt::format("<th scope=\"col\" role=\"columnheader\">{}</th>", column);
  out += "</tr></thead><tbody role=\"rowgroup\">\n";
  for (const UseRow& row : use_table(verdict)) {
    out += fmt::format("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">{}</th>", row.resource);
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const UseCell& cell = row.cells[i];
      if (cell.status == UseStatus::no_rule) {
        out += "<td role=\"cell\" class=\"empty soft\">not judged</td>";
        continue;
      }
      out += fmt::format("<td role=\"cell\"><span class=\"column\">{}</span>{}<span class=\"what\">", kUseColumns[i],
                         html_word(name_of(cell.status)));
      const std::string text = html_text(cell_text(cell));
      out += cell.instances.empty() ? text
                                    : fmt::format("<a href=\"#{}\">{}</a>", html_anchor(cell.instances.front()), text);
      out += "</span></td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table>\n</div>\n</section>\n";
}

void add_findings(std::string& out, const Report& report) {
  const std::vector<Finding>& findings = report.verdict.findings;
  out += fmt::format("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\" tabindex=\"-1\">Findings ({})</h2>\n",
                     findings.size());
  if (findings.empty()) out += "<p>None.</p>\n";
  for (const Finding& finding : findings) {
    auto pictures = report.pictures.find(finding.instance);
    out += html_card(finding, pictures == report.pictures.end() ? nullptr : &pictures->second);
  }
  out += "</section>\n";
}

void add_list(std::string& out, std::string_view id, std::string_view title, const Row& headings,
              const std::vector<Row>& rows, bool with_number = true) {
  if (rows.empty()) return;
  out += fmt::format(
      "<section aria-labelledby=\"{}\">\n<h2 id=\"{}\">{}{}</h2>\n<div class=\"panel\">\n"
      "<table class=\"narrow\"><thead><tr>",
      id, id, title, with_number ? fmt::format(" ({})", rows.size()) : "");
  for (const std::string& heading : headings) out += fmt::format("<th scope=\"col\">{}</th>", heading);
  out += "</tr></thead><tbody>\n";
  for (const Row& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      out += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", html_text(row[i]))
                    : fmt::format("<td>{}</td>", html_text(row[i]));
    out += "</tr>\n";
  }
  out += "</tbody></table>\n</div>\n</section>\n";
}

}  // namespace

std::string report_as_html(const Report& report, const ReportStyle&) {
  const Verdict& verdict = report.verdict;
  std::string out;
  add_head(out, report);
  add_header(out, report);
  add_use_table(out, verdict);
  add_findings(out, report);
  std::vector<Row> more, fine, unknown, advice;
  for (const NotListed& part : verdict.not_listed) more.push_back({part.id, not_listed_text(part)});
  for (const CheckedAndFine& part : verdict.checked_and_fine) fine.push_back({part.id, part.metric, part.value});
  for (const auto& [ids, reason] : by_reason(verdict.not_assessed)) unknown.push_back({ids, reason});
  for (const NotRecommended& part : verdict.not_recommended) advice.push_back({part.advice, part.why});
  if (report.comparison) {
    std::vector<Row> changes;
    for (auto& [kind, what] : changes_in(*report.comparison)) changes.push_back({kind, what});
    add_list(out, "changed", html_text(fmt::format("Changed since the report of {}", report.comparison->start)),
             {"How", "Finding"}, changes);
  }
  add_list(out, "more", "Not listed", {"Rule", "What"}, more);
  std::vector<Row> endings;
  for (auto& [what, count] : ending_lines(report.endings)) endings.push_back({what, count});
  add_list(out, "endings", "How connections ended, since the agent started", {"What", "How many"}, endings, false);
  add_list(out, "fine", "Checked and fine", {"Rule", "Looked at", "Value"}, fine);
  add_list(out, "unknown", "Not assessed", {"What", "Why"}, unknown);
  add_list(out, "advice", "Not recommended", {"Advice", "Why not here"}, advice);
  out += fmt::format(
      "</main>\n<footer>Made by tcpadvisor {}. This file holds everything: it loads nothing.</footer>\n"
      "</body>\n</html>\n",
      html_text(report.recorded.empty() ? report.tool_version
                                        : report.tool_version + " from the recording " + report.recorded));
  return out;
}

}  // namespace tcpadvisor
