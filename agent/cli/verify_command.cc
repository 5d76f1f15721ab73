// SPDX-License-Identifier: Apache-2.0
// `verify`: observes as `report` does, and judges what was promised when settings were changed.
#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "advisor/base/text.h"
#include "advisor/report/formats.h"
#include "advisor/report/promise.h"
#include "agent/cli/change_host.h"
#include "agent/cli/commands.h"
#include "agent/cli/observe_for.h"
#include "agent/cli/output.h"

namespace tcpadvisor::cli {
namespace {

constexpr int kNotYet = 12, kNotKept = 14;

/// A setting that is applied, and what it is now.
struct Applied {
  PlanStep step;
  std::uint64_t change = 0;
  std::string policy;
  std::string moved;    ///< why the promise no longer counts: it is not the value that was written
  std::string unread;   ///< why that is not known
  std::string on_disk;  ///< what is wrong with the fragment
};

void look_at_value(apply::Doors& doors, Applied& one) {
  auto now = doors.settings.read(one.step.netns_id, one.step.knob);
  if (!now) {
    one.unread = now.error().message;
  } else if (*now != one.step.new_value) {
    one.moved = fmt::format("it is {} now: somebody has changed it since", printable(*now));
  }
}

std::string disk_text(apply::Doors& doors, const apply::Journal& journal, const PlanStep& step) {
  if (step.persist_file.empty()) return "";
  auto now = doors.files.read(step.persist_file);
  if (!now) return now.error().message;
  if (*now == journal.left_in(step.persist_file)) return "";
  return *now ? step.persist_file + " was changed since" : step.persist_file + " is gone";
}

/// Of each setting the last change that stands, newest first.
std::vector<Applied> applied_now(apply::Doors& doors, const apply::Journal& journal) {
  std::vector<Applied> out;
  std::set<std::pair<std::string, std::uint64_t>> seen;
  for (const apply::Entry& entry : std::views::reverse(journal.entries)) {
    if (entry.state != apply::State::applied) continue;
    for (const PlanStep& step : entry.steps) {
      if (!seen.emplace(step.knob, step.netns_id).second) continue;
      out.push_back({.step = step,
                     .change = entry.number,
                     .policy = entry.policy,
                     .moved = {},
                     .unread = {},
                     .on_disk = disk_text(doors, journal, step)});
      look_at_value(doors, out.back());
    }
  }
  return out;
}

Result<std::vector<Applied>> what_is_applied(const std::string& state) {
  auto host = ChangeHost::open(state, Touch::nothing);
  if (!host) return std::unexpected(host.error());
  apply::Doors doors = host->doors();
  auto journal = apply::read_journal(doors);
  if (!journal) return std::unexpected(journal.error());
  const apply::Entry* last = journal->last_not_taken_back();
  if (last != nullptr && last->state == apply::State::begun) {
    return fail(ErrorCode::failed,
                fmt::format("change {} was interrupted: tcpadvisor rollback takes it back", last->number));
  }
  return applied_now(doors, *journal);
}

/// As the report was judged that asked for the change, unless another policy was chosen.
Options as_then(const Options& options, const std::string& policy) {
  Options out = options;
  if (options.policy.name != Policy().name) return out;
  if (auto known = Policy::named(policy)) out.policy = std::move(*known);
  return out;
}

Judgement judge_one(const Applied& one, const KeptReport& later, const Window& window) {
  if (!one.moved.empty()) return {Kept::not_kept, one.moved};
  if (!one.unread.empty()) return {Kept::not_yet, "its value cannot be read: " + one.unread};
  auto traffic = window.increase(one.step.netns_id, traffic_counter(one.step.knob));
  return judge_promise(one.step.promise, later, traffic);
}

std::string line_of(const Applied& one, const Judgement& judgement) {
  std::string out = fmt::format("{}: {} = {} in namespace {} (change {}, {})\n    {}\n", name_of(judgement.kept),
                                one.step.knob, one.step.new_value, printable(one.step.netns), one.change,
                                printable(one.step.id), printable(judgement.why));
  if (!one.on_disk.empty()) out += fmt::format("    after a boot it may be another: {}\n", one.on_disk);
  return out;
}

}  // namespace

int run_verify(const Options& given, os::StopSignals& signals) {
  auto applied = what_is_applied(given.change.state);
  if (!applied) return failed(applied.error());
  if (applied->empty()) {
    Status status = write_stdout("Nothing is applied: there is nothing to verify.\n");
    return status ? 0 : failed(status.error());
  }
  const Options options = as_then(given, applied->front().policy);
  auto collector = open_collector(options, {.show_all = true});
  if (!collector) return failed(collector.error());
  auto seen = observe_for(**collector, options, options.change.length, signals);
  if (int code = exit_code_after(signals); code != 0) return code;
  if (!seen) return failed(seen.error());
  const Window& window = (*seen)->window;
  const Report report = make_report(window, (*seen)->policy, (*seen)->verdict, std::string(kVersion));
  auto later = kept_report(find_report_format("json")->render(report, {}));
  if (!later) return failed(later.error());

  std::string text = fmt::format("observed for {:.0f} s, policy {}\n", report.seconds, report.policy);
  int code = 0;
  for (const Applied& one : *applied) {
    const Judgement judgement = judge_one(one, *later, window);
    text += line_of(one, judgement);
    if (judgement.kept == Kept::not_kept) code = kNotKept;
    if (judgement.kept == Kept::not_yet && code == 0) code = kNotYet;
  }
  if (code != 0) text += "what is not kept is taken back by: tcpadvisor rollback\n";
  Status status = write_stdout(text, &signals);
  return status ? code : failed(status.error());
}

}  // namespace tcpadvisor::cli
