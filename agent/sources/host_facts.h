// SPDX-License-Identifier: Apache-2.0
// Name, kernel, memory and uptime of the host.
#pragma once

#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

struct MemInfo {
  std::uint64_t total_bytes = 0, available_bytes = 0;
};
Result<MemInfo> parse_meminfo(std::string_view text);
/// "3735.03 7000.12" -> 3735
Result<std::uint64_t> parse_uptime(std::string_view text);

/// Fields that cannot be read stay empty; `errors` says why.
HostFacts read_host_facts(const os::ProcRoot& root, std::vector<Error>& errors);
/// Resident memory of this process, 0 if not known.
std::uint64_t read_own_rss_bytes(const os::ProcRoot& root);

}  // namespace tcpadvisor::sources
