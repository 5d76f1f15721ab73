// SPDX-License-Identifier: Apache-2.0
// Whether TCP came under memory pressure because the host had no free page for it, not because of tcp_mem.
#pragma once

#include <optional>

#include "advisor/rules/evidence.h"
#include "advisor/rules/threshold.h"

namespace tcpadvisor {

inline constexpr double kFarBelowMarks = 0.5;  // of tcp_mem[0]: TCP's own use is no reason for pressure there
inline constexpr Threshold kStallShare =
    ratio_threshold("stall_share", 0.01).clears_at(0.5);  // of the time some task waited
inline constexpr Threshold kMinAllocationStalls = count_threshold("min_allocation_stalls", 1, "times");
inline constexpr Threshold kLeastAvailable = ratio_threshold("least_available", 0.03).clears_at(1.3);  // of the memory

/// How the memory of the host fared over the window. What was not read is nothing.
struct HostMemory {
  std::optional<double> stalled_share;  ///< of the time: some task waited for memory
  std::optional<double> allocation_stalls, oom_kills;
  std::optional<double> available_share;

  bool known() const { return stalled_share || allocation_stalls; }
  bool short_of(const Policy& policy) const;
};
HostMemory host_memory(const Window& window);

/// Times that TCP came under pressure in the window, or is under it now, while it used far less than tcp_mem allows.
/// 0: it did not, or its own use explains it, or tcp_mem is not known.
double pressure_below_marks(const Window& window);

}  // namespace tcpadvisor
