// SPDX-License-Identifier: Apache-2.0
#include "agent/apply/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "advisor/base/text.h"

namespace tcpadvisor::apply {
namespace {

std::string place_text(const PlanStep& step) {
  return fmt::format("{} in namespace {}", step.knob, printable(step.netns));
}

/// The files that the plan would write, as they are and as they would be.
Result<std::vector<FileChange>> file_changes(Doors& doors, const Plan& plan, const Journal& journal) {
  std::vector<FileChange> out;
  for (const PlanStep& step : plan.steps) {
    const std::string& path = step.persist_file;
    if (path.empty() || std::ranges::find(out, path, &FileChange::path) != out.end()) continue;
    auto before = doors.files.read(path);
    if (!before) return std::unexpected(before.error());
    if (*before && *before != journal.left_in(path)) {
      return fail(
          ErrorCode::failed,
          fmt::format("{} is not as tcpadvisor apply left it: nothing was written. Look at it, and move it away "
                      "or put its lines into a file of another name",
                      path));
    }
    std::string after = fragment_with(before->value_or(""), plan.steps, path);
    out.push_back({path, std::move(*before), std::move(after)});
  }
  return out;
}

Status check_value(Doors& doors, const PlanStep& step) {
  auto now = doors.settings.read(step.netns_id, step.knob);
  if (!now) {
    Error error = now.error();
    if (error.code == ErrorCode::not_found)
      error.code = ErrorCode::unsupported;  // the report is well, the place is wrong
    error.message = fmt::format("{}: {}; nothing was written", place_text(step), error.message);
    return std::unexpected(std::move(error));
  }
  if (*now == step.old_value) return {};
  return fail(ErrorCode::bad_input,
              fmt::format("{} is {} now, and the report saw {}: nothing was written; make a new one", place_text(step),
                          printable(*now), step.old_value));
}

Status check_writers(const Plan& plan, const SettingFiles& now) {
  for (const PlanStep& step : plan.steps) {
    if (std::string why = would_be_undone(step, now); !why.empty()) {
      return fail(ErrorCode::unsupported,
                  fmt::format("{} would not stay: {}; nothing was written", place_text(step), printable(why)));
    }
  }
  return {};
}

Status check_interrupted(const Journal& journal) {
  const Entry* last = journal.last_not_taken_back();
  if (last == nullptr || last->state != State::begun) return {};
  return fail(
      ErrorCode::failed,
      fmt::format("change {} was interrupted: tcpadvisor rollback takes it back, then try again", last->number));
}

Status append(Doors& doors, const Journal& journal, const std::string& line) {
  return doors.files.append(doors.journal, (journal.cut_off ? "\n" : "") + line);
}

/// A journal that has grown is begun anew with what a rollback may need; the whole of it stays beside it, until the
/// next time. Two writes, each of which leaves a whole journal.
Status cut_journal(Doors& doors) {
  constexpr std::size_t kGrown = 1u << 20;  // some hundred changes
  auto text = doors.files.read(doors.journal);
  if (!text) return std::unexpected(text.error());
  if (!*text || (*text)->size() < kGrown) return {};
  auto journal = read_journal(doors);
  if (!journal) return std::unexpected(journal.error());
  const std::string kept = without_old_changes(**text, *journal);
  if (kept.size() > kGrown / 2) return {};  // most of it still stands
  if (Status status = doors.files.replace(doors.journal + ".old", **text); !status) return status;
  return doors.files.replace(doors.journal, kept);
}

/// Values first, then files: who looks in between sees what holds until the next boot.
Status write_all(Doors& doors, const Entry& entry) {
  for (const PlanStep& step : entry.steps) {
    if (Status status = doors.settings.write(step.netns_id, step.knob, step.new_value); !status) return status;
  }
  for (const FileChange& file : entry.files) {
    if (Status status = doors.files.replace(file.path, file.after); !status) return status;
  }
  return {};
}

void restore_value(Doors& doors, const Entry& entry, const PlanStep& step, bool force, TakenBack& out) {
  const std::string place = place_text(step);
  if (entry.boot_id != doors.boot_id && !step.of_host()) {
    out.done.push_back(fmt::format("{}: the host has been started again, and the namespace is gone", place));
    return;
  }
  auto now = doors.settings.read(step.netns_id, step.knob);
  if (!now && now.error().code == ErrorCode::not_found) {
    out.done.push_back(fmt::format("{}: the namespace is gone, and its values with it", place));
    return;
  }
  if (!now) {
    out.left.push_back(fmt::format("{}: {}", place, now.error().message));
    return;
  }
  if (*now == step.old_value) {
    out.done.push_back(fmt::format("{} is {}", place, step.old_value));
    return;
  }
  if (*now != step.new_value && !force) {
    out.left.push_back(fmt::format("{} is {}: somebody has changed it since (applied was {}, before it {})", place,
                                   printable(*now), step.new_value, step.old_value));
    return;
  }
  if (Status status = doors.settings.write(step.netns_id, step.knob, step.old_value); !status) {
    out.left.push_back(fmt::format("{}: {}", place, status.error().message));
    return;
  }
  out.done.push_back(fmt::format("{}: {} -> {}", place, printable(*now), step.old_value));
}

void restore_file(Doors& doors, const FileChange& file, bool force, TakenBack& out) {
  auto fails = [&](const Error& error) { out.left.push_back(fmt::format("{}: {}", file.path, error.message)); };
  if (Status status = doors.files.remove(temporary_beside(file.path)); !status) return fails(status.error());
  auto now = doors.files.read(file.path);
  if (!now) return fails(now.error());
  if (*now == file.before) {
    out.done.push_back(fmt::format("{}: {}", file.path, file.before ? "as before" : "not there, as before"));
    return;
  }
  if (*now != file.after && !force) {
    out.left.push_back(fmt::format("{}: somebody has changed it since", file.path));
    return;
  }
  Status status = file.before ? doors.files.replace(file.path, *file.before) : doors.files.remove(file.path);
  if (!status) return fails(status.error());
  out.done.push_back(fmt::format("{}: {}", file.path, file.before ? "as before" : "removed"));
}

TakenBack restore(Doors& doors, const Entry& entry, bool force) {
  TakenBack out{.number = entry.number, .done = {}, .left = {}};
  for (const FileChange& file : std::views::reverse(entry.files)) restore_file(doors, file, force, out);
  for (const PlanStep& step : std::views::reverse(entry.steps)) restore_value(doors, entry, step, force, out);
  return out;
}

}  // namespace

Result<Journal> read_journal(Doors& doors) {
  auto text = doors.files.read(doors.journal);
  if (!text) return std::unexpected(text.error());
  auto journal = read_journal(text->value_or(""));
  if (!journal) return fail(journal.error().code, fmt::format("{}: {}", doors.journal, journal.error().message));
  return journal;
}

Status check(Doors& doors, const Plan& plan, const SettingFiles& now) {
  auto journal = read_journal(doors);
  if (!journal) return std::unexpected(journal.error());
  if (Status status = check_interrupted(*journal); !status) return status;
  for (const PlanStep& step : plan.steps) {
    if (Status status = check_value(doors, step); !status) return status;
  }
  if (Status status = check_writers(plan, now); !status) return status;
  auto files = file_changes(doors, plan, *journal);
  return files ? Status() : std::unexpected(files.error());
}

Result<Entry> write(Doors& doors, const Plan& plan, const SettingFiles& now, std::string report, std::string policy) {
  if (Status status = check(doors, plan, now); !status) return std::unexpected(status.error());
  if (Status status = cut_journal(doors); !status) return std::unexpected(status.error());
  auto journal = read_journal(doors);
  if (!journal) return std::unexpected(journal.error());
  auto files = file_changes(doors, plan, *journal);
  if (!files) return std::unexpected(files.error());
  Entry entry{.number = journal->entries.empty() ? 1 : journal->entries.back().number + 1,
              .when_ms = doors.now_ms,
              .who = doors.who,
              .boot_id = doors.boot_id,
              .report = std::move(report),
              .policy = std::move(policy),
              .steps = plan.steps,
              .files = std::move(*files),
              .note = {}};
  if (Status status = append(doors, *journal, begin_line(entry)); !status) return std::unexpected(status.error());
  Status written = write_all(doors, entry);
  if (!written) {
    Error error = written.error();
    TakenBack back = restore(doors, entry, false);
    if (back.left.empty()) {
      Status noted = doors.files.append(
          doors.journal, state_line(entry.number, State::taken_back, doors.now_ms, "a write failed: " + error.message));
      error.message += noted ? "; what was written before it is taken back" : "; run tcpadvisor rollback";
    } else {
      error.message += fmt::format(
          "; and to take back what was written before it failed too ({}): run tcpadvisor rollback", back.left.front());
    }
    return std::unexpected(std::move(error));
  }
  if (Status status = doors.files.append(doors.journal, state_line(entry.number, State::applied, doors.now_ms));
      !status) {
    return fail(ErrorCode::failed,
                fmt::format("all is written, but the journal does not say so ({}): run tcpadvisor rollback",
                            status.error().message));
  }
  entry.state = State::applied;
  return entry;
}

Result<TakenBack> take_back(Doors& doors, const Entry& entry, bool force) {
  auto journal = read_journal(doors);
  if (!journal) return std::unexpected(journal.error());
  TakenBack out = restore(doors, entry, force);
  if (!out.left.empty()) return out;
  if (Status status = append(doors, *journal, state_line(entry.number, State::taken_back, doors.now_ms)); !status)
    return std::unexpected(status.error());
  return out;
}

}  // namespace tcpadvisor::apply
