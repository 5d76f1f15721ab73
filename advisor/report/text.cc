// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "advisor/base/columns.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
#include "advisor/report/report_words.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kMaxLines = 12;  // of one finding; the rest is behind `explain` and in the JSON form
constexpr std::size_t kLabel = 12;
constexpr std::size_t kTextWidth = kWidth - kLabel - 2;

/// Long words stay whole: who copies a path or a command from a report wants all of it.
std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  return wrap(text, width, 0, LongWords::whole);
}

/// At most `most` lines; the last one then ends with "…".
void add_labelled(std::vector<std::string>& out, std::string_view label, std::string_view text, std::size_t most) {
  std::vector<std::string> lines = wrapped(printable(text), kTextWidth);
  if (lines.size() > most) {
    lines.resize(most);
    std::string& last = lines.back();
    while (columns_of(last) + 2 > kTextWidth && last.contains(' ')) last.resize(last.find_last_of(' '));
    last += " …";
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out.push_back("  " + fill_right(std::string(i == 0 ? label : ""), kLabel) + lines[i]);
  }
}

std::string painted(Severity severity, const std::string& text, bool color) {
  if (!color) return text;
  const char* code = severity == Severity::critical ? "1;31" : severity == Severity::warning ? "1;33" : "1;36";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

/// cli.md's order, in at most kMaxLines lines unless all is wanted. Each part first gets what it needs at least; what
/// is left goes to the parts that help most to act.
std::vector<std::string> finding_lines(const Finding& finding, const ReportStyle& style) {
  struct Part {
    std::string_view label;
    std::string text;
    std::size_t lines;  ///< to print
  };
  const Recommendation& cure = finding.recommendation;
  std::vector<Part> parts = {{"Scope", who_text(finding), 1},
                             {"Evidence", evidence_text(finding.evidence), 2},
                             {"Means", finding.meaning, 1},
                             {"Do", do_text(cure), 2},
                             {"Set by", set_by_text(cure), 1},
                             {"Formula", cure.formula, 1},
                             {"Not useful", not_useful_text(finding), 1},
                             {"Verify", cure.verify, 1}};
  std::erase_if(parts, [](const Part& part) { return part.text.empty(); });
  auto wanted = [](const Part& part) { return wrapped(part.text, kTextWidth).size(); };
  std::size_t left = kMaxLines - 1;
  for (Part& part : parts) {
    left -= part.lines = std::min(part.lines, wanted(part));
    if (style.whole) part.lines = wanted(part);
  }
  for (std::string_view label :
       {"Means", "Do", "Formula", "Means", "Means", "Set by", "Evidence", "Scope", "Not useful", "Verify", "Do"}) {
    auto part = std::ranges::find(parts, label, &Part::label);
    if (part == parts.end()) continue;
    std::size_t more = wanted(*part) > part->lines ? std::min<std::size_t>(left, 1) : 0;
    part->lines += more;
    left -= more;
  }

  const std::string severity(severity_word(finding.severity));
  const std::string told = printable(finding.title);
  std::string title = fmt::format("{}  {}", severity, told);
  if (!style.whole) title = wrapped(title, kWidth - 1).front();
  if (columns_of(title) < columns_of(severity) + 2 + columns_of(told)) title += "…";
  title.replace(0, severity.size(), painted(finding.severity, severity, style.color));
  std::vector<std::string> out = {title};
  for (const Part& part : parts) add_labelled(out, part.label, part.text, part.lines);
  return out;
}

void add_header(std::vector<std::string>& out, const Report& report) {
  const Verdict& verdict = report.verdict;
  out.push_back(fmt::format("tcpadvisor {}: {}", report.tool_version, in_one_line(verdict)));
  for (const std::string& line : wrapped(opening_text(report), kWidth - 2)) out.push_back("  " + line);
  add_labelled(out, "Host",
               fmt::format("{}, Linux {}, {}, {}", report.host.name, report.host.kernel,
                           counted(report.host.cpus, "CPU"), human_bytes(report.host.mem_bytes)),
               2);
  if (!report.recorded.empty()) add_labelled(out, "Recorded", report.recorded, 2);
  add_labelled(out, "Window",
               fmt::format("{}, {}, policy {}{}", seconds_text(report.seconds), counted(report.samples, "sample"),
                           report.policy, verdict.enough_data ? "" : "; NOT ENOUGH DATA: observe for longer"),
               2);
  add_labelled(out, "Coverage", coverage_text(report), 2);
  add_labelled(out, "Lost", lost_text(report), 2);
  if (report.comparison) add_labelled(out, "Compared", compared_text(*report.comparison), 2);
}

void add_list(std::vector<std::string>& out, const std::string& heading,
              const std::vector<std::pair<std::string, std::string>>& lines, bool with_number = true) {
  if (lines.empty()) return;
  out.push_back("");
  out.push_back(with_number ? fmt::format("{} ({})", heading, lines.size()) : heading);
  for (const auto& [name, text] : lines) {
    std::vector<std::string> parts = wrapped(printable(fmt::format("{}: {}", name, text)), kWidth - 4);
    for (std::size_t i = 0; i < parts.size(); ++i) out.push_back(fmt::format("  {}{}", i == 0 ? "" : "  ", parts[i]));
  }
}

}  // namespace

std::string report_as_text(const Report& report, const ReportStyle& style) {
  const Verdict& verdict = report.verdict;
  std::vector<std::string> out;
  add_header(out, report);
  for (const Finding& finding : verdict.findings) {
    out.push_back("");
    std::ranges::copy(finding_lines(finding, style), std::back_inserter(out));
  }
  std::vector<std::pair<std::string, std::string>> safe, more, fine, advice;
  for (const Finding& finding : verdict.findings) {
    const Recommendation& cure = finding.recommendation;
    if (cure.change && cure.applicability == Applicability::automatic)
      safe.emplace_back(finding.id, fmt::format("{} = {}, {}", cure.change->knob, values_text(cure.change->target),
                                                text_of(*cure.change).scope));
  }
  for (const NotListed& part : verdict.not_listed) more.emplace_back(part.id, not_listed_text(part));
  for (const CheckedAndFine& part : verdict.checked_and_fine)
    fine.emplace_back(part.id, part.metric + ": " + part.value);
  for (const NotRecommended& part : verdict.not_recommended) advice.emplace_back(part.advice, part.why);
  if (report.comparison) add_list(out, "CHANGED SINCE THAT REPORT", changes_in(*report.comparison));
  add_list(out, "SAFE BY ITSELF: report -o r.json, then apply r.json", safe);
  add_list(out, "NOT LISTED", more);
  add_list(out, "HOW CONNECTIONS ENDED, since the agent started", ending_lines(report.endings), false);
  add_list(out, "CHECKED AND FINE", fine);
  add_list(out, "NOT ASSESSED", by_reason(verdict.not_assessed));
  add_list(out, "NOT RECOMMENDED", advice);
  return fmt::format("{}\n", fmt::join(out, "\n"));
}

}  // namespace tcpadvisor
