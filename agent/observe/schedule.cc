// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/schedule.h"

#include <algorithm>

namespace tcpadvisor::observe {

std::optional<std::uint64_t> Schedule::end_ns(std::uint64_t start_ns) const {
  if (!length) return std::nullopt;
  return start_ns + ns_of(*length);
}

std::optional<std::uint64_t> Schedule::next_due_ns(std::uint64_t start_ns, std::uint64_t due_ns,
                                                   std::uint64_t now_ns) const {
  std::uint64_t next = std::max(due_ns + ns_of(interval), now_ns);
  std::optional<std::uint64_t> end = end_ns(start_ns);
  if (!end) return next;
  if (!ends_with_tick) return next <= *end ? std::optional(next) : std::nullopt;
  if (now_ns >= *end) return std::nullopt;
  // No sliver of an interval at the end.
  return next + ns_of(interval) / 2 > *end ? *end : next;
}

}  // namespace tcpadvisor::observe
