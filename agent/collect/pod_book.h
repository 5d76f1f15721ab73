// SPDX-License-Identifier: Apache-2.0
// Names of the pods and containers that hold sockets.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/collect/join.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::collect {

class PodBook {
 public:
  static constexpr std::uint64_t kReadAgainAfterMs = 10'000;  ///< an unknown id may be a new pod: look, but not at once

  explicit PodBook(const os::ProcRoot& root) : root_(root) {}

  /// Of those that the cgroups of owners, and the cgroups themselves, are in. Reads nothing on a host without pods.
  GroupNames names_for(const Picture& picture, std::uint64_t now_ms);

 private:
  os::ProcRoot root_;
  GroupNames known_;
  std::optional<std::uint64_t> read_ms_;
};

}  // namespace tcpadvisor::collect
