// SPDX-License-Identifier: Apache-2.0
// How connections ended, in totals since the agent started: what was lost at close(), who was reset and why, how long
// they stayed in which state. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "advisor/evidence/sample.h"

namespace tcpadvisor {

struct Endings {
  /// How long connections stayed in one state; times are the upper ends of powers of two.
  struct Dwell {
    TcpState state = TcpState::established;
    std::uint64_t times = 0, half_ms = 0, most_ms = 0;  ///< half of them, 99 % of them took no longer
  };
  /// What one process closed, by its own calls, since it began or since a pause of 5 minutes.
  struct Closer {
    Pid pid = 0;
    std::string comm;
    std::uint64_t closes = 0;
    std::uint64_t resets = 0;  ///< of them, because data was unread or SO_LINGER was 0
  };

  std::optional<LifecycleTotals> totals;  ///< nothing: no source counts them
  bool resets_seen = false;
  std::vector<Dwell> dwells;    ///< states in which any connection was
  std::vector<Closer> closers;  ///< most closes first, at most kMostClosers
  std::optional<std::vector<Closer>>
      resetters;  ///< most resets first, as many; nothing: not counted, as in older recordings
};
inline constexpr std::size_t kMostClosers = 8;

Endings endings_of(const Sample& latest);

/// What and how many, for people; "not seen" with the reason where nothing counts it. Not escaped.
std::vector<std::pair<std::string, std::string>> ending_lines(const Endings& endings);

}  // namespace tcpadvisor
