// SPDX-License-Identifier: Apache-2.0
#include "advisor/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

#include "advisor/base/columns.h"
#include "advisor/base/saturate.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
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
  std::vector<std::string> lines = wrapped(text, kTextWidth);
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

std::string number_text(double value) {
  if (value == std::trunc(value) && std::abs(value) < 1e15) {
    std::string digits = with_commas(to_u64(std::abs(value)));
    return value < 0 ? "-" + digits : digits;
  }
  return std::abs(value) >= 100   ? fmt::format("{:.0f}", value)
         : std::abs(value) >= 0.1 ? fmt::format("{:.2f}", value)
                                  : fmt::format("{:.2g}", value);
}

std::string value_text(double value, const std::string& unit) {
  if (unit == "s") return seconds_text(value);
  if (unit == "bytes" && value >= 0) return human_bytes(to_u64(value));
  if (unit.starts_with("ratio")) return fmt::format("{:.0f} %{}", value * 100, unit.substr(5));
  if (unit == "per_min" || unit == "per_s") {
    return fmt::format("{}{}{}", value > 0 ? "+" : "", number_text(std::round(value * 10) / 10),
                       unit == "per_s" ? "/s" : "/min");
  }
  if (unit == "sockets" || unit == "connections" || unit == "count" || unit == "entries" || unit.empty())
    return number_text(value);
  return number_text(value) + " " + unit;
}

std::string evidence_text(const std::vector<Measurement>& evidence) {
  std::string out;
  for (const Measurement& part : evidence) {
    std::string metric = part.metric;
    std::ranges::replace(metric, '_', ' ');
    out += fmt::format("{}{} {}", out.empty() ? "" : "; ", metric, value_text(part.value, part.unit));
    if (part.threshold.value_or(0) != 0) out += fmt::format(" (threshold {})", value_text(*part.threshold, part.unit));
  }
  return out;
}

std::string do_text(const Recommendation& cure) {
  std::string steps = fmt::format("{}", fmt::join(cure.steps, "; "));
  if (steps.empty()) return cure.text;
  steps[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(steps[0])));
  return fmt::format("{}{} {}", cure.text, cure.text.ends_with('.') ? "" : ".", steps);
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

std::string painted(Severity severity, const std::string& text, bool color) {
  if (!color) return text;
  const char* code = severity == Severity::critical ? "1;31" : severity == Severity::warning ? "1;33" : "1;36";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

/// The id first: whatever the line has no room for, `explain` takes it.
std::string who_text(const Finding& finding) {
  std::string out = fmt::format("{}; {}", finding.id, scope_text(finding.scope));
  if (finding.confidence != Confidence::high) {
    out += fmt::format("; confidence {}: {}", name_of(finding.confidence), finding.confidence_why);
  }
  if (!finding.cause.empty()) out += "; caused by finding " + finding.cause;
  return out;
}

std::string not_useful_text(const Finding& finding) {
  std::string out;
  for (const NotUseful& entry : finding.not_useful) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", entry.knob, entry.why);
  }
  return out;
}

/// The setting by its name where the finding changes none, or measures several.
std::string set_by_text(const Recommendation& cure) {
  std::string out;
  auto add = [&](const SetBy& by, bool named) {
    out += fmt::format("{}{}{}", out.empty() ? "" : "; ", named ? by.knob + ": " : "", by.text);
  };
  if (cure.set_by) add(*cure.set_by, !cure.change || !cure.set_by_also.empty());
  for (const SetBy& by : cure.set_by_also) add(by, true);
  if (out.empty() || !cure.change || cure.change->keeping.where != Keeping::Where::file) return out;
  return fmt::format("{}; to keep another: {}", out, cure.change->keeping.file);
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

  std::string severity = upper(name_of(finding.severity));
  std::string title = fmt::format("{}  {}", severity, finding.title);
  if (!style.whole) title = wrapped(title, kWidth - 1).front();
  if (columns_of(title) < columns_of(severity) + 2 + columns_of(finding.title)) title += "…";
  title.replace(0, severity.size(), painted(finding.severity, severity, style.color));
  std::vector<std::string> out = {title};
  for (const Part& part : parts) add_labelled(out, part.label, part.text, part.lines);
  return out;
}

std::string coverage_line(const Report& report) {
  std::string out, missing;
  for (const FactCoverage& fact : report.coverage) {
    if (fact.in_use.empty()) {
      missing += (missing.empty() ? "" : ", ") + std::string(name_of(fact.fact));
    } else {
      out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", name_of(fact.fact), fact.in_use,
                         fact.exact ? "" : " (estimate)");
    }
  }
  if (out.empty()) out = "no source works";
  return missing.empty() ? out : out + "; without a source: " + missing;
}

std::string lost_line(const Report& report) {
  std::string out;
  for (const auto& [kind, count] : report.lost) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", with_commas(count), kind);
  }
  if (report.rows_suppressed > 0) {
    out += fmt::format("{}{} over the limit (counted in the totals)", out.empty() ? "" : ", ",
                       counted(report.rows_suppressed, "socket row"));
  }
  if (report.partial) out += fmt::format("{}snapshot partial: {}", out.empty() ? "" : "; ", report.partial_why);
  return out.empty() ? "nothing" : out;
}

/// The answer before all others. "Nothing to repair" is said only of what was seen.
std::string in_one_line(const Verdict& verdict) {
  if (const std::uint64_t serious = to_act_on(verdict); serious > 0) return counted(serious, "finding") + " to act on";
  if (!verdict.could_see) return "could not see: no namespace that was chosen could be read";
  if (!verdict.enough_data) return "not enough data: observe for longer";
  std::size_t things = unseen(verdict);
  return things == 0 ? "nothing to repair"
                     : fmt::format("nothing found; {} could not be seen", counted(things, "thing"));
}

void add_header(std::vector<std::string>& out, const Report& report) {
  const Verdict& verdict = report.verdict;
  out.push_back(fmt::format("tcpadvisor {}: {}", report.tool_version, in_one_line(verdict)));
  add_labelled(out, "Host",
               fmt::format("{}, Linux {}, {}, {}", report.host.name, report.host.kernel,
                           counted(report.host.cpus, "CPU"), human_bytes(report.host.mem_bytes)),
               2);
  add_labelled(out, "Window",
               fmt::format("{}, {}, policy {}{}", seconds_text(report.seconds), counted(report.samples, "sample"),
                           report.policy, verdict.enough_data ? "" : "; NOT ENOUGH DATA: observe for longer"),
               2);
  add_labelled(out, "Coverage", coverage_line(report), 2);
  add_labelled(out, "Lost", lost_line(report), 2);
}

void add_list(std::vector<std::string>& out, const std::string& heading,
              const std::vector<std::pair<std::string, std::string>>& lines) {
  if (lines.empty()) return;
  out.push_back("");
  out.push_back(fmt::format("{} ({})", heading, lines.size()));
  for (const auto& [name, text] : lines) {
    std::vector<std::string> parts = wrapped(fmt::format("{}: {}", name, text), kWidth - 4);
    for (std::size_t i = 0; i < parts.size(); ++i) out.push_back(fmt::format("  {}{}", i == 0 ? "" : "  ", parts[i]));
  }
}

std::string not_listed_text(const NotListed& more) {
  std::string out = fmt::format("{} more of severity {}, about {}", with_commas(more.findings), name_of(more.severity),
                                counted(more.sockets, "socket"));
  if (more.explained > 0)
    out += fmt::format("; {} of them have a cause in another finding", with_commas(more.explained));
  return out;
}

/// The same reason for many rules is said once.
std::vector<std::pair<std::string, std::string>> by_reason(const std::vector<NotAssessed>& parts) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const NotAssessed& part : parts) {
    auto same = std::ranges::find(out, part.reason, &std::pair<std::string, std::string>::second);
    if (same == out.end()) {
      out.emplace_back(part.id, part.reason);
    } else {
      same->first += ", " + part.id;
    }
  }
  return out;
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
  std::vector<std::pair<std::string, std::string>> more, fine, advice;
  for (const NotListed& part : verdict.not_listed) more.emplace_back(part.id, not_listed_text(part));
  for (const CheckedAndFine& part : verdict.checked_and_fine)
    fine.emplace_back(part.id, part.metric + ": " + part.value);
  for (const NotRecommended& part : verdict.not_recommended) advice.emplace_back(part.advice, part.why);
  add_list(out, "NOT LISTED", more);
  add_list(out, "CHECKED AND FINE", fine);
  add_list(out, "NOT ASSESSED", by_reason(verdict.not_assessed));
  add_list(out, "NOT RECOMMENDED", advice);
  return fmt::format("{}\n", fmt::join(out, "\n"));
}

}  // namespace tcpadvisor
