// SPDX-License-Identifier: Apache-2.0
// List 5: what the rules say about the ticks that the agent remembers.
#include <fmt/format.h>

#include "advisor/base/columns.h"
#include "advisor/base/fields.h"
#include "advisor/base/text.h"
#include "advisor/knobs/change.h"
#include "advisor/report/finding_json.h"
#include "agent/watch/table.h"

namespace tcpadvisor::watch {
namespace {

constexpr std::array<Column, 4> kFindingColumns = {
    {{"SEVERITY", 8}, {"FINDING", 0, false, 0, Cut::end}, {"SOCKETS", 7, true}, {"RULE", 26, false, 110}}};
const Fields kFindingFields = {Field::proc, Field::port, Field::peer, Field::group, Field::netns};

Attr attr_of(Severity severity) {
  return severity == Severity::critical ? Attr::critical : severity == Severity::warning ? Attr::warning : Attr::good;
}

std::vector<Line> lines_of(const Finding& finding, const View& view) {
  std::array<Span, kFindingColumns.size()> cells = {
      {{std::string(name_of(finding.severity)), attr_of(finding.severity)},
       {finding.title},
       {finding.scope.count > 0 ? with_commas(finding.scope.count) : "-"},
       {finding.id}}};
  Line scope("         ");
  scope.add(scope_text(finding.scope), Attr::dim);
  return {row_of(kFindingColumns, cells, view.width, glyphs(view.utf8)), std::move(scope)};
}

/// The number behind the last colon of "10.0.0.1:80", "*:80".
void add_port(Traits& traits, std::string_view end) {
  std::size_t colon = end.rfind(':');
  if (colon == end.npos) return;
  if (auto port = number<std::uint16_t>(end.substr(colon + 1))) traits.ports.push_back(*port);
}

Traits traits_of(const Finding& finding) {
  const Scope& scope = finding.scope;
  Traits traits;
  if (scope.pid) traits.processes = {fmt::format("{}[{}]", scope.comm, *scope.pid)};
  if (!scope.remote.empty()) traits.peers = {scope.remote};
  if (!scope.netns_name.empty()) traits.netns = {scope.netns_name};
  traits.add_group(scope.group);
  add_port(traits, scope.local);
  add_port(traits, scope.remote);
  traits.words = fmt::format("{} {} {} {} {}", name_of(finding.severity), finding.id, finding.title, scope_text(scope),
                             scope.cgroup);
  return traits;
}

/// A label and a text broken into lines beside it.
void add_text(std::vector<Line>& lines, std::string_view label, std::string_view text, std::size_t width) {
  constexpr std::size_t kIndent = 12;
  if (text.empty()) return;
  bool first = true;
  for (std::string& part : wrap(text, width > kIndent ? width - kIndent : 1)) {
    Line line(fmt::format("{:<{}}", first ? label : "", kIndent), Attr::label);
    lines.push_back(std::move(line.add(std::move(part))));
    first = false;
  }
}

std::string evidence_text(const Measurement& evidence) {
  std::string threshold = evidence.threshold ? fmt::format(", threshold {:g}", *evidence.threshold) : "";
  return fmt::format("{} {:g}{}{}{} ({})", evidence.metric, evidence.value, evidence.unit.empty() ? "" : " ",
                     evidence.unit, threshold, evidence.source);
}

std::vector<Line> details_of(const Finding& finding, std::size_t width) {
  std::vector<Line> lines;
  Line title(std::string(name_of(finding.severity)), attr_of(finding.severity));
  for (std::string& part : wrap(finding.title, width > 12 ? width - 12 : 1)) {
    lines.push_back(
        std::move(title.add(lines.empty() ? "  " : std::string(12, ' ')).add(std::move(part), Attr::title)));
    title = Line();
  }
  add_text(lines, "rule", finding.id, width);
  add_text(lines, "scope", scope_text(finding.scope), width);
  add_text(lines, "confidence",
           fmt::format("{}{}{}", name_of(finding.confidence), finding.confidence_why.empty() ? "" : ": ",
                       finding.confidence_why),
           width);
  for (const Measurement& evidence : finding.evidence) {
    add_text(lines, &evidence == finding.evidence.data() ? "evidence" : "", evidence_text(evidence), width);
  }
  add_text(lines, "meaning", finding.meaning, width);
  add_text(lines, "caused by", finding.cause, width);
  const Recommendation& advice = finding.recommendation;
  add_text(lines, "do", advice.text, width);
  for (const std::string& step : advice.steps) add_text(lines, "", "- " + step, width);
  add_text(lines, "formula", advice.formula, width);
  if (advice.change) add_text(lines, "apply", text_of(*advice.change).apply, width);
  for (const NotUseful& useless : finding.not_useful) {
    add_text(lines, &useless == finding.not_useful.data() ? "not useful" : "", useless.knob + ": " + useless.why,
             width);
  }
  add_text(lines, "verify", advice.verify, width);
  return lines;
}

}  // namespace

Table findings_table(const Picture& picture, const View& view) {
  using Row = const Finding*;
  TableSpec<Row> spec;
  for (const Finding& finding : picture.verdict.findings) spec.rows.push_back(&finding);
  spec.orders = {{"severity", [](Row a, Row b) { return a->severity > b->severity; }},
                 {"sockets", [](Row a, Row b) { return a->scope.count > b->scope.count; }},
                 {"rule", [](Row a, Row b) { return a->id < b->id; }}};
  spec.key = [](Row row) { return "f" + row->instance; };
  spec.traits = [](Row row) { return traits_of(*row); };
  spec.fields = kFindingFields;
  spec.lines = [&](Row row) { return lines_of(*row, view); };
  spec.details = [&](Row row) { return details_of(*row, view.width); };
  spec.heading = heading_of(kFindingColumns, view.width, glyphs(view.utf8));
  spec.empty = "no findings so far; r shows what was checked";
  return make_table(std::move(spec), view);
}

}  // namespace tcpadvisor::watch
