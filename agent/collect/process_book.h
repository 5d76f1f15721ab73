// SPDX-License-Identifier: Apache-2.0
// What /proc says about the processes that hold sockets, remembered for a while: most of it hardly ever changes.
#pragma once

#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/os/proc_root.h"
#include "agent/sources/process_life.h"
#include "agent/sources/processes.h"

namespace tcpadvisor::collect {

class ProcessBook {
 public:
  static constexpr std::size_t kMaxProcesses = 512;  ///< the ones with most sockets; the others keep what they have
  static constexpr std::uint64_t kTrustedForMs = 10'000;
  static constexpr std::size_t kMaxPages = 4 * kMaxProcesses;  ///< remembered, however fast processes come and go
  static constexpr std::size_t kMaxFdsCounted = 262'144;       ///< directory entries a call, on kernels before 6.2

  /// Fills comm, netns, pid_inside, fds and fd_limit of each owner, as far as they are not known yet, the path of its
  /// cgroup that tells most, and what it is doing now.
  void complete(std::vector<OwnerTotals>& owners, const os::ProcRoot& root, std::uint64_t now_ms);
  /// Path in the v1 memory hierarchy; empty if not known.
  std::string memory_cgroup(Pid pid) const;

 private:
  struct Page {
    sources::ProcessFacts facts;
    std::uint64_t read_ms = 0;
  };
  std::unordered_map<Pid, Page> pages_;
  std::optional<sources::Freezer> freezer_;
};

}  // namespace tcpadvisor::collect
