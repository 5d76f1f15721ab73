// SPDX-License-Identifier: Apache-2.0
#include "advisor/report/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "advisor/base/text.h"
#include "advisor/knobs/change.h"
#include "advisor/knobs/keeping.h"
#include "advisor/verdict/automatic.h"

namespace tcpadvisor {
namespace {

constexpr std::string_view kDirectory = "/etc/sysctl.d/", kNetns = "netns ";

std::string_view name_in(std::string_view file) {
  std::size_t slash = file.rfind('/');
  return slash == file.npos ? file : file.substr(slash + 1);
}

bool is_wanted(const KeptFinding& finding, const std::vector<std::string>& only) {
  return only.empty() || std::ranges::find(only, finding.id) != only.end() ||
         std::ranges::find(only, finding.instance) != only.end();
}

Status check_only(const KeptReport& report, const std::vector<std::string>& only) {
  for (const std::string& id : only) {
    auto has = [&](const KeptFinding& one) { return one.id == id || one.instance == id; };
    if (std::ranges::any_of(report.findings, has)) continue;
    std::string known;
    for (const KeptFinding& one : report.findings) {
      if (one.change && known.find(one.id) == known.npos) known += (known.empty() ? "" : ", ") + one.id;
    }
    return fail(ErrorCode::bad_input, fmt::format("--only: the report has no finding '{}'; {}", printable(id),
                                                  known.empty() ? "none of its findings changes a setting"
                                                                : "those that change a setting: " + known));
  }
  return {};
}

/// Why the change is not for a program; empty if it is. The report may be anybody's: what it calls automatic is looked
/// at again.
std::string why_left(const KeptChange& change) {
  if (change.applicability != "automatic") {
    return change.applicability_why.empty() ? "the report leaves it to a person" : change.applicability_why;
  }
  if (std::string why = why_not_by_values(change.knob, change.current, change.target); !why.empty()) return why;
  if (change.netns_id == 0 || !change.scope.starts_with(kNetns)) return "the report does not say in which namespace";
  const bool host = change.scope == "netns host";
  if (host && !is_own_fragment(change.persist_file)) return "the report does not say which file would keep it";
  return "";
}

PlanStep step_of(const KeptFinding& finding) {
  const KeptChange& change = *finding.change;
  std::string netns = change.scope.substr(kNetns.size());
  const bool host = netns == "host";
  return {.knob = change.knob,
          .netns_id = change.netns_id,
          .netns = std::move(netns),
          .old_value = values_text(change.current),
          .new_value = values_text(change.target),
          .id = finding.id,
          .instance = finding.instance,
          .title = finding.title,
          .why = finding.text,
          .persist_file = host ? change.persist_file : "",
          .persist = change.persist,
          .promise = Promise::of(finding)};
}

}  // namespace

bool is_own_fragment(std::string_view path) {
  if (!path.starts_with(kDirectory)) return false;
  const std::string_view name = path.substr(kDirectory.size());
  return name.size() <= 250 && name.ends_with("tcpadvisor.conf") && !name.starts_with('.') &&
         std::ranges::all_of(name, [](unsigned char c) {
           return c < 0x80 && (std::isalnum(c) != 0 || std::string_view("-_.@+").contains(static_cast<char>(c)));
         });
}

Result<Plan> make_plan(const KeptReport& report, const std::vector<std::string>& only) {
  if (Status known = check_only(report, only); !known) return std::unexpected(known.error());
  Plan plan;
  for (const KeptFinding& finding : report.findings) {
    if (!is_wanted(finding, only)) continue;
    const bool to_do = finding.severity != "info" && finding.kind != "none";
    if (!finding.change) {
      if (to_do) plan.left.push_back({finding.id, finding.title, "no setting cures it", finding.text, {}});
      continue;
    }
    std::string why = why_left(*finding.change);
    if (why.empty()) {
      PlanStep step = step_of(finding);
      const bool again = std::ranges::any_of(plan.steps, [&](const PlanStep& other) {
        return other.knob == step.knob && other.netns_id == step.netns_id;
      });
      if (!again) {
        plan.steps.push_back(std::move(step));
        continue;
      }
      why = "another finding sets it already";
    }
    plan.left.push_back({finding.id, finding.title, why, finding.text, finding.change->apply});
  }
  return plan;
}

std::string would_be_undone(const PlanStep& step, const SettingFiles& files) {
  if (std::string who = other_writer(files, step.knob, step.of_host()); !who.empty()) return who;
  if (step.persist_file.empty()) return "";
  for (const SettingLine& line : files.lines) {
    if (line.knob != step.knob || line.file == step.persist_file) continue;
    const bool later = line.writer == SettingWriter::sysctl_conf ||
                       (line.writer == SettingWriter::sysctl_d && name_in(line.file) > name_in(step.persist_file)) ||
                       (line.writer == SettingWriter::tuned && files.tuned_is_last);
    if (later)
      return fmt::format("{}:{} sets it too, and is applied after {}", line.file, line.line, step.persist_file);
  }
  return "";
}

}  // namespace tcpadvisor
