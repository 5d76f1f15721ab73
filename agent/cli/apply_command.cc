// SPDX-License-Identifier: Apache-2.0
// `apply`, and what takes it back.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "advisor/base/text.h"
#include "advisor/report/plan.h"
#include "advisor/rules/words.h"
#include "agent/cli/change_host.h"
#include "agent/cli/commands.h"
#include "agent/cli/input_file.h"
#include "agent/cli/output.h"

namespace tcpadvisor::cli {
namespace {

constexpr std::size_t kMostReport = 64 << 20;

int say(const std::string& text) {
  Status status = write_stdout(text);
  return status ? 0 : failed(status.error());
}

/// The answer; else the exit code to end with.
std::optional<int> stop_unless_yes(const ChangeOptions& options, const std::string& question,
                                   os::StopSignals& signals) {
  if (options.yes) return std::nullopt;
  auto answer = ask(question, signals);
  if (!answer) return failed(answer.error());
  if (int code = exit_code_after(signals); code != 0) return code;
  if (*answer) return std::nullopt;
  return say("Nothing was written.\n");
}

int list_changes(const ChangeOptions& options) {
  auto host = ChangeHost::open(options.state, Touch::nothing);
  if (!host) return failed(host.error());
  apply::Doors doors = host->doors();
  auto journal = apply::read_journal(doors);
  if (!journal) return failed(journal.error());
  return say(apply::journal_text(*journal));
}

Result<KeptReport> report_for(const ChangeOptions& options, const std::string& text, const Here& here) {
  auto named = [&](const Error& error) {
    return fail(error.code, fmt::format("{}: {}", printable(options.report), error.message));
  };
  auto report = kept_report(text);
  if (!report) return named(report.error());
  if (Status fits = fits_here(*report, here); !fits) return named(fits.error());
  return report;
}

int end_dry_run(apply::Doors& doors, const Plan& plan, const SettingFiles& files) {
  Status checked = apply::check(doors, plan, files);
  if (!checked && checked.error().code != ErrorCode::denied) return failed(checked.error());
  if (!checked) fmt::print(stderr, "tcpadvisor: not compared with what is now: {}\n", checked.error().message);
  return say("Nothing was written (--dry-run).\n");
}

int write_plan(const Options& options, ChangeHost& host, const KeptReport& report, const Plan& plan,
               os::StopSignals& signals) {
  apply::Doors doors = host.doors();
  if (Status checked = apply::check(doors, plan, host.setting_files()); !checked) return failed(checked.error());
  if (auto code =
          stop_unless_yes(options.change, fmt::format("Write {}?", counted(plan.steps.size(), "setting")), signals))
    return *code;
  auto entry = apply::write(doors, plan, host.setting_files(),
                            fmt::format("{} of {}", printable(options.change.report), report.start), report.policy);
  if (!entry) return failed(entry.error());
  const std::string state = options.change.state == ChangeOptions().state ? "" : " --state " + options.change.state;
  std::string text = fmt::format("Written as change {}: {}.\n", entry->number, counted(plan.steps.size(), "setting"));
  const bool again =
      std::ranges::any_of(plan.steps, [](const PlanStep& step) { return step.promise.takes_effect == "re-listen"; });
  if (again) text += "  first:      let the programs above listen again; most do so by a restart\n";
  text += fmt::format("  did it help:  tcpadvisor verify{}\n  take it back: tcpadvisor rollback{}\n", state, state);
  return say(text);
}

/// What will be taken back, for who is asked.
std::string entry_text(const apply::Entry& entry) {
  std::string out = fmt::format("Change {}, {}:\n", entry.number, name_of(entry.state));
  for (const PlanStep& step : entry.steps) {
    out += fmt::format("  namespace {}\n  - {} = {}\n  + {} = {}\n", printable(step.netns), step.knob, step.new_value,
                       step.knob, step.old_value);
  }
  for (const apply::FileChange& file : entry.files)
    out += fmt::format("  {} {}\n", file.path, file.before ? "becomes what it was" : "is removed");
  return out;
}

int take_back_all(const ChangeOptions& options, ChangeHost& host, os::StopSignals& signals) {
  apply::Doors doors = host.doors();
  for (bool any = false;; any = true) {
    auto journal = apply::read_journal(doors);
    if (!journal) return failed(journal.error());
    const apply::Entry* last = journal->last_not_taken_back();
    if (last == nullptr) return any ? 0 : say("Nothing is applied: there is nothing to take back.\n");
    if (int code = say(entry_text(*last)); code != 0) return code;
    if (auto code = stop_unless_yes(options, fmt::format("Take back change {}?", last->number), signals)) return *code;
    auto back = apply::take_back(doors, *last, options.force);
    if (!back) return failed(back.error());
    std::string text;
    for (const std::string& line : back->done) text += fmt::format("  {}\n", line);
    if (!back->left.empty()) {
      for (const std::string& line : back->left) text += fmt::format("  left: {}\n", line);
      if (int code = say(text); code != 0) return code;
      return failed(
          {ErrorCode::failed,
           fmt::format("change {} is not wholly taken back: see what is left; --force overwrites it", back->number),
           0});
    }
    if (int code = say(text + fmt::format("Change {} is taken back.\n", back->number)); code != 0) return code;
    if (!options.all) return 0;
  }
}

}  // namespace

int run_apply(const Options& options, os::StopSignals& signals) {
  const ChangeOptions& change = options.change;
  if (change.list) return list_changes(change);
  if (change.report.empty()) {
    return failed({ErrorCode::bad_input,
                   "apply takes a report: tcpadvisor report --format json -o r.json, then tcpadvisor apply r.json", 0});
  }
  auto text = read_input_file(change.report, kMostReport);
  if (!text) return failed(text.error());
  auto host = ChangeHost::open(change.state, change.dry_run ? Touch::nothing : Touch::settings);
  if (!host) return failed(host.error());
  if (change.dry_run) {
    if (Status status = read_only_from_here(); !status) return failed(status.error());
  }
  auto report = report_for(change, *text, host->here());
  if (!report) return failed(report.error());
  auto plan = make_plan(*report, change.only);
  if (!plan) return failed(plan.error());
  if (int code = say(plan_text(*plan)); code != 0) return code;
  if (plan->steps.empty()) return say("Nothing to write: no finding asks for a change that is safe by itself.\n");
  if (!change.dry_run) return write_plan(options, *host, *report, *plan, signals);
  apply::Doors doors = host->doors();
  return end_dry_run(doors, *plan, host->setting_files());
}

int run_rollback(const Options& options, os::StopSignals& signals) {
  auto host = ChangeHost::open(options.change.state, Touch::settings);
  if (!host) return failed(host.error());
  return take_back_all(options.change, *host, signals);
}

}  // namespace tcpadvisor::cli
