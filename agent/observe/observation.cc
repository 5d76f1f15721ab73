// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/observation.h"

namespace tcpadvisor::observe {

std::array<std::uint64_t, kStateCount> state_counts(const Sample& sample) {
  std::array<std::uint64_t, kStateCount> counts{};
  for (const NetnsSample& netns : sample.netns) {
    for (std::size_t state = 1; state < kStateCount; ++state) {
      bool request = state == index_of(TcpState::new_syn_recv);
      counts[request ? index_of(TcpState::syn_recv) : state] += netns.states[state].count;
    }
  }
  return counts;
}

}  // namespace tcpadvisor::observe
