// SPDX-License-Identifier: Apache-2.0
// /proc/pressure/{memory,cpu,io} and /proc/vmstat: what tasks of this host wait for.
#pragma once

#include <optional>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

struct Stalls {
  std::optional<Stall> some, full;
};
/// "some avg10=0.59 avg60=0.85 avg300=0.58 total=111853458", and the same with "full". `file` is for errors.
Result<Stalls> parse_pressure(std::string_view text, std::string_view file);

/// allocstall_* (allocstall before 4.10) added up, and oom_kill of /proc/vmstat.
struct Reclaim {
  std::optional<std::uint64_t> allocation_stalls, oom_kills;
};
Reclaim parse_vmstat(std::string_view text);

struct PressureFiles {
  HostPressure pressure;
  std::optional<Error> stalls_error;  ///< why nothing, or not all, of /proc/pressure is known
  std::optional<Error> vmstat_error;
};
PressureFiles read_host_pressure(const os::ProcRoot& root);

}  // namespace tcpadvisor::sources
