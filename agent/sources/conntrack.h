// SPDX-License-Identifier: Apache-2.0
// The table of tracked connections of one network namespace: how full it is, and what it has dropped.
#pragma once

#include <optional>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// /proc/net/stat/nf_conntrack: a heading, then a line of hexadecimal numbers for each processor. Adds
/// "Conntrack.drop", "Conntrack.early_drop", "Conntrack.insert_failed" and "Conntrack.chaintoolong", as far as the
/// heading has them.
Status parse_conntrack_stat(std::string_view text, Counters& into);

struct ConntrackFiles {
  Conntrack table;
  Counters counters;                    ///< empty while nothing is tracked
  std::optional<Error> counters_error;  ///< why they are not known; the table is all the same
};
/// Of the calling thread's own namespace. not_found: connections are not tracked here, the module is not loaded.
Result<ConntrackFiles> read_conntrack(const os::ProcRoot& root, std::string_view net_dir = "/proc/thread-self/net");

}  // namespace tcpadvisor::sources
