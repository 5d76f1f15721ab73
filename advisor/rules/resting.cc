// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/resting.h"

#include "advisor/base/saturate.h"

namespace tcpadvisor {

std::size_t first_idle_slot(double idle_for_s) {
  std::size_t slot = 0;
  while (slot < kIdleSlotEndsMs.size() && idle_from_s(slot) < idle_for_s) ++slot;
  return slot;
}

double idle_from_s(std::size_t slot) {
  return slot == 0 ? 0 : static_cast<double>(kIdleSlotEndsMs[slot - 1]) / 1e3;
}

std::uint64_t sum_from(const std::array<std::uint32_t, 6>& slots, std::size_t first) {
  std::uint64_t sum = 0;
  for (std::size_t i = first; i < slots.size(); ++i) sum = add_sat(sum, std::uint64_t{slots[i]});
  return sum;
}

std::map<std::pair<Pid, NetnsId>, std::vector<const NetworkTotals*>> networks_by_process(const Sample& sample) {
  std::map<std::pair<Pid, NetnsId>, std::vector<const NetworkTotals*>> out;
  for (const NetworkTotals& one : sample.networks) {
    if (one.pid != 0) out[{one.pid, one.netns}].push_back(&one);
  }
  return out;
}

}  // namespace tcpadvisor
