// SPDX-License-Identifier: Apache-2.0
// A fragment for sysctl.d(5). A line that counts is one that is safe by itself, in the namespace that such files are
// for; whatever a person has to decide is a comment.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/knobs/knobs.h"
#include "advisor/report/escape.h"
#include "advisor/report/finding_json.h"
#include "advisor/report/formats.h"
#include "advisor/report/report_words.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kMostWithoutSetting = 20;  // titles of what no setting cures

void add_comment(std::string& out, std::string_view text) {
  out += fmt::format("# {}\n", sysctl_text(text));
}

/// sysctl.d is applied in the host's own namespace; a setting of the whole host has one value, wherever it is read.
bool is_for_these_files(const Change& change) {
  const Knob* knob = find_knob(change.knob);
  return change.host_netns || (knob != nullptr && knob->scope == KnobScope::host);
}

/// The kernel takes it. A rule that asks for something else is wrong, and a file that is read at boot is no place for
/// it.
bool is_in_bounds(const Change& change) {
  const Knob* knob = find_knob(change.knob);
  return knob != nullptr && !change.target.empty() && (knob->least != 0 || knob->most != 0) &&
         std::ranges::all_of(change.target,
                             [knob](std::int64_t value) { return value >= knob->least && value <= knob->most; });
}

/// Why the line is a comment; empty if it counts.
std::string why_comment(const Finding& finding, const std::set<std::string_view>& written) {
  const Recommendation& cure = finding.recommendation;
  const Change& change = *cure.change;
  if (!is_for_these_files(change)) {
    return fmt::format("it is for {}, and this file is not applied there", text_of(change).scope);
  }
  if (cure.applicability == Applicability::needs_review) {
    return "somebody has to decide: " +
           (cure.applicability_why.empty() ? "read what it says above" : cure.applicability_why);
  }
  if (cure.applicability == Applicability::manual) return "it cannot be done by a line alone";
  if (!is_in_bounds(change)) return "the value is outside what the kernel is known to take";
  return written.contains(change.knob) ? "another line of this file sets it already" : "";
}

void add_setting(std::string& out, const Finding& finding, const std::string& why) {
  const Recommendation& cure = finding.recommendation;
  const Change& change = *cure.change;
  const ChangeText text = text_of(change);
  add_comment(out, finding.title);
  add_comment(out, fmt::format("  finding {} ({}), {}, confidence {}", finding.instance, finding.id,
                               name_of(finding.severity), name_of(finding.confidence)));
  add_comment(out, "  do: " + do_text(cure));
  if (!cure.formula.empty()) add_comment(out, "  formula: " + cure.formula);
  if (cure.set_by) add_comment(out, "  set by: " + cure.set_by->text);
  if (const Knob* knob = find_knob(change.knob); knob != nullptr)
    add_comment(out, fmt::format("  acts on {}; risk: {}", takes_effect_text(*knob), risk_text(*knob)));
  add_comment(out, fmt::format("  old value: {} = {}", change.knob, values_text(change.current)));
  if (change.keeping.where != Keeping::Where::file || change.keeping.over || change.keeping.sysctl_conf)
    add_comment(out, "  to keep it: " + text.persist);
  if (!cure.verify.empty()) add_comment(out, "  verify: " + cure.verify);
  if (!why.empty()) add_comment(out, "  not set by this file: " + why);
  out +=
      sysctl_text(fmt::format("{}{} = {}", why.empty() ? "" : "#", change.knob, values_text(change.target))) + "\n\n";
}

void add_without_setting(std::string& out, const Verdict& verdict) {
  std::vector<const Finding*> others;
  for (const Finding& finding : verdict.findings) {
    if (!finding.recommendation.change && finding.severity != Severity::info) others.push_back(&finding);
  }
  if (others.empty()) return;
  add_comment(out, fmt::format("{} that no setting cures:", counted(others.size(), "finding")));
  for (std::size_t i = 0; i < std::min(others.size(), kMostWithoutSetting); ++i)
    add_comment(out, fmt::format("  {}: {}", others[i]->id, others[i]->title));
  if (others.size() > kMostWithoutSetting)
    add_comment(out, fmt::format("  and {} more", others.size() - kMostWithoutSetting));
}

}  // namespace

std::string report_as_sysctl(const Report& report, const ReportStyle&) {
  std::string out, counting, comments;
  std::set<std::string_view> written;
  std::size_t commented = 0;
  std::string file = "/etc/sysctl.d/99-tcpadvisor.conf";
  for (const Finding& finding : report.verdict.findings) {
    if (!finding.recommendation.change) continue;
    const Change& change = *finding.recommendation.change;
    const std::string why = why_comment(finding, written);
    add_setting(why.empty() ? counting : comments, finding, why);
    if (!why.empty()) {
      ++commented;
      continue;
    }
    written.insert(change.knob);
    if (change.keeping.where == Keeping::Where::file) file = std::max(file, change.keeping.file);
  }
  add_comment(out, fmt::format("tcpadvisor {}: {}", report.tool_version, in_one_line(report.verdict)));
  add_comment(out, fmt::format("host {}, Linux {}; {} from {}, {}, policy {}", report.host.name, report.host.kernel,
                               seconds_text(report.seconds), start_text(report), counted(report.samples, "sample"),
                               report.policy));
  if (written.empty()) {
    add_comment(out, "Nothing to change: no setting that is safe to change without a person's word helps here.");
    if (!report.verdict.enough_data || !report.verdict.could_see)
      add_comment(out, "That may be because too little was seen.");
  } else {
    add_comment(out, fmt::format("{} below. Until the next boot: sysctl -p THIS-FILE; for good: as {}.",
                                 counted(written.size(), "setting"), file));
  }
  if (commented > 0)
    add_comment(out, fmt::format("{} for a person to decide, as a comment that changes nothing.",
                                 counted(commented, "setting")));
  out += "\n" + counting + comments;
  add_without_setting(out, report.verdict);
  while (out.ends_with("\n\n")) out.pop_back();
  return out;
}

}  // namespace tcpadvisor
