// SPDX-License-Identifier: Apache-2.0
// A plan as it is shown, and as it is kept on disk.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "advisor/base/fields.h"
#include "advisor/knobs/knobs.h"
#include "advisor/knobs/setting_lines.h"
#include "advisor/report/escape.h"
#include "advisor/report/plan.h"
#include "advisor/report/report_words.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kHead =
    "# Written by tcpadvisor apply, and taken back by tcpadvisor rollback. What is changed here by hand, neither "
    "touches "
    "again.\n";

/// Without the lines about these knobs, and the comments right above them.
std::string without(std::string_view text, const std::vector<std::string_view>& knobs) {
  std::vector<std::string_view> kept;
  while (auto line = next_line(text)) {
    const std::size_t equals = line->find('=');
    const bool sets = equals != line->npos && !line->starts_with('#') && !line->starts_with(';');
    const std::string_view knob = sets ? knob_of_key(trimmed(line->substr(0, equals))) : std::string_view();
    if (knob.empty() || std::ranges::find(knobs, knob) == knobs.end()) {
      kept.push_back(*line);
      continue;
    }
    while (!kept.empty() && kept.back().starts_with('#')) kept.pop_back();
    while (!kept.empty() && kept.back().empty()) kept.pop_back();
  }
  std::string out;
  for (std::string_view line : kept) out += fmt::format("{}\n", line);
  return out;
}

void add(std::string& out, const PlanStep& step) {
  out += fmt::format("\n# {}\n", sysctl_text(step.title));
  out +=
      fmt::format("#   finding {} ({}): {}\n", sysctl_text(step.instance), sysctl_text(step.id), sysctl_text(step.why));
  out += fmt::format("#   old value: {} = {}\n", step.knob, step.old_value);
  out += fmt::format("{} = {}\n", step.knob, step.new_value);
}

}  // namespace

std::string fragment_with(std::string_view existing, const std::vector<PlanStep>& steps, std::string_view file) {
  std::vector<std::string_view> knobs;
  for (const PlanStep& step : steps) {
    if (step.persist_file == file) knobs.push_back(step.knob);
  }
  std::string out = without(existing, knobs);
  if (out.empty()) out = kHead;
  for (const PlanStep& step : steps) {
    if (step.persist_file == file) add(out, step);
  }
  return out;
}

std::string plan_text(const Plan& plan) {
  std::string out;
  for (const PlanStep& step : plan.steps) {
    out += fmt::format("{}\n", step.title);
    out += fmt::format("  finding    {} ({})\n", step.id, step.instance);
    out += fmt::format("  namespace  {}\n", step.netns);
    out += fmt::format("  - {} = {}\n  + {} = {}\n", step.knob, step.old_value, step.knob, step.new_value);
    out += fmt::format("  why        {}\n", step.why);
    if (const Knob* knob = find_knob(step.knob); knob != nullptr)
      out += fmt::format("  acts on    {}\n", takes_effect_text(*knob));
    out += step.persist_file.empty() ? fmt::format("  not kept on disk; {}\n\n", step.persist)
                                     : fmt::format("  kept in    {}\n\n", step.persist_file);
  }
  if (plan.left.empty()) return out;
  out += "Left to a person:\n";
  for (const LeftToPerson& left : plan.left) {
    out += fmt::format("  {} ({})\n    because: {}\n    do: {}\n", left.title, left.id, left.why, left.todo);
    if (!left.command.empty()) out += fmt::format("    {}\n", left.command);
  }
  return out + "\n";
}

}  // namespace tcpadvisor
