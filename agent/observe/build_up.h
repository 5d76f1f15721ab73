// SPDX-License-Identifier: Apache-2.0
// Sockets of one owner in one state that they should only pass through. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/observe/observation.h"

namespace tcpadvisor::observe {

struct BuildUp {
  const OwnerTotals* owner = nullptr;  ///< null: no process holds them, or the owner is not known
  std::string owner_text;
  TcpState state = TcpState::close_wait;
  std::uint64_t count = 0;
  std::uint64_t old = 0;                                   ///< older than Policy::age
  std::optional<Age> oldest = std::nullopt;                ///< of those with a row of their own
  std::optional<double> growth_per_minute = std::nullopt;  ///< nothing with fewer than two ticks
};

/// By state, then by owner.
std::vector<BuildUp> build_ups_of(const Observation& seen);

/// Of the sockets that the item counts those that have a row of their own.
std::vector<const SocketRow*> rows_of(const BuildUp& item, const Connections& connections);

}  // namespace tcpadvisor::observe
