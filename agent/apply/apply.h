// SPDX-License-Identifier: Apache-2.0
// Writes a plan, and takes it back. Before anything is written the journal has it, on the disk; so that whatever stops
// us in between, rollback() finds every old value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/report/plan.h"
#include "agent/apply/files.h"
#include "agent/apply/host_settings.h"
#include "agent/apply/journal.h"

namespace tcpadvisor::apply {

/// This host, this moment and who asks.
struct Doors {
  HostSettings& settings;
  Files& files;
  std::string journal;  ///< its path
  std::int64_t now_ms = 0;
  std::string who, boot_id;
};

Result<Journal> read_journal(Doors& doors);

/// Why nothing of the plan may be written now: a change that was interrupted, a value that is not what the report saw
/// (bad_input), a fragment that somebody else has written, another writer (`now`: the files as they are), a namespace
/// that is not here. Changes nothing.
Status check(Doors& doors, const Plan& plan, const SettingFiles& now);

/// Checks, then: the journal, the values, the files, the journal. What fails takes back what was written before it.
Result<Entry> write(Doors& doors, const Plan& plan, const SettingFiles& now, std::string report, std::string policy);

/// What `rollback` found of an entry, in words for who asked.
struct TakenBack {
  std::uint64_t number = 0;
  std::vector<std::string> done;
  std::vector<std::string>
      left;  ///< what somebody has changed since, or that could not be written; empty: all is as before
};
/// Brings values and files to what they were before the entry. A value or a file that somebody has changed since stays
/// unless `force`; then the entry stays as it is. Values of a namespace that is gone are gone.
Result<TakenBack> take_back(Doors& doors, const Entry& entry, bool force);

}  // namespace tcpadvisor::apply
