// SPDX-License-Identifier: Apache-2.0
// Which process holds which socket, from the links in /proc/*/fd. The way that needs no BPF; it costs a readlink a
// descriptor. Threads with a table of descriptors of their own are looked at, too (kcmp(2) tells them from the others).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"
#include "agent/os/descriptor.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::sources {

/// "socket:[12345]" -> 12345
std::optional<std::uint64_t> parse_socket_link(std::string_view text);

struct OwnerScan {
  std::vector<os::Descriptor> holders;  ///< those that lead to a socket of any family; by inode, sorted
  std::uint64_t files = 0;              ///< descriptors looked at
  std::uint64_t unreadable = 0;         ///< processes whose descriptors we may not see
  std::uint64_t over_limit = 0;         ///< descriptors left out because of a limit, at least

  std::span<const os::Descriptor> of(std::uint64_t inode) const { return os::descriptors_of(holders, inode); }
};
Result<OwnerScan> scan_owners(const os::ProcRoot& root, std::size_t max_holders = 1'000'000);
/// The same of one process, as far as its first `max_files` descriptors; nothing if it has ended.
OwnerScan scan_owner(const os::ProcRoot& root, Pid pid, std::size_t max_files);

}  // namespace tcpadvisor::sources
