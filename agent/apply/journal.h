// SPDX-License-Identifier: Apache-2.0
// What was changed, when, by whom and why, with the exact values from before: one JSON object a line, only ever
// appended to. A line that a crash has cut off was never relied on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/report/plan.h"

namespace tcpadvisor::apply {

struct FileChange {
  std::string path;
  std::optional<std::string> before;  ///< nothing: it was not there
  std::string after;
};

enum class State : std::uint8_t {
  begun,       ///< perhaps not all of it was written
  applied,     ///< all of it was written
  taken_back,  ///< all is as before
};
std::string_view name_of(State state);  ///< "interrupted", "applied", "taken back"

struct Entry {
  std::uint64_t number = 0;  ///< 1, 2, …
  std::int64_t when_ms = 0, taken_back_ms = 0;
  std::string who, boot_id;
  std::string report;  ///< "r.json of 2026-09-21T14:13:20Z"
  std::string policy;  ///< of the report
  std::vector<PlanStep> steps;
  std::vector<FileChange> files;
  State state = State::begun;
  std::string note;  ///< why it was taken back, if nobody asked for it
};

struct Journal {
  std::vector<Entry> entries;
  bool cut_off = false;  ///< its last line is not whole

  const Entry* last_not_taken_back() const;
  /// What this program left in a file last; nothing if it never wrote it, or removed it again.
  std::optional<std::string> left_in(std::string_view path) const;
};

/// A line that is whole and no entry of ours is an error: what it kept would be lost.
Result<Journal> read_journal(std::string_view text);

/// The lines of the journal without those that no rollback and no question about a file needs any more: what was taken
/// back, but for the last 64 changes and the last one of each file. Lines that are kept stay as they are.
std::string without_old_changes(std::string_view text, const Journal& journal);

std::string begin_line(const Entry& entry);
std::string state_line(std::uint64_t number, State state, std::int64_t when_ms, std::string_view note = {});

/// For people; newest last.
std::string journal_text(const Journal& journal);

}  // namespace tcpadvisor::apply
