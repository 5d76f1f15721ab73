// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/observation.h"

#include <utility>

namespace tcpadvisor::observe {

std::array<std::uint64_t, kStateCount> state_counts(const PastTick& tick) {
  std::array<std::uint64_t, kStateCount> counts = tick.states;
  counts[index_of(TcpState::syn_recv)] += std::exchange(counts[index_of(TcpState::new_syn_recv)], 0);
  return counts;
}

}  // namespace tcpadvisor::observe
