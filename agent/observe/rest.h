// SPDX-License-Identifier: Apache-2.0
// Which looks can be spared: those at a host that does little and where nothing is wrong. Pure: the clock comes in as
// numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "agent/observe/observation.h"

namespace tcpadvisor::observe {

/// Something that is better followed at each tick: a finding that is more than information, or a program that has bytes
/// in a queue of its own.
bool worth_following(const Observation& seen);

/// Most of a look is the way through the kernel's table of connections, which is as long as the host's memory is large,
/// also where the table is empty. So a quiet host is looked at less often; what ends its quiet is asked for at each
/// tick.
class Rest {
 public:
  static constexpr double kLittle = 250;                         ///< things that happen in a second
  static constexpr std::chrono::milliseconds kQuietFor{10'000};  ///< so long, before the first look is spared

  void looked(std::uint64_t now_ns, bool followed);
  /// At a tick. `happened`: of a count that only grows; nothing: not known, then nothing is spared. `longest`: between
  /// two looks.
  bool spares(std::uint64_t now_ns, std::optional<std::uint64_t> happened, std::chrono::milliseconds longest);

 private:
  struct Count {
    std::uint64_t at_ns = 0, happened = 0;
  };
  std::optional<Count> before_;
  std::optional<std::uint64_t> quiet_since_ns_;  ///< nothing: it is not quiet
  std::uint64_t looked_ns_ = 0;
};

}  // namespace tcpadvisor::observe
