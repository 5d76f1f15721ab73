// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/thinning.h"

#include <algorithm>

namespace tcpadvisor {
namespace {

std::uint64_t apart(const Ticks& ticks, std::size_t earlier, std::size_t later) {
  std::uint64_t from = ticks[earlier]->mono_ms, to = ticks[later]->mono_ms;
  return to > from ? to - from : 0;
}

std::uint64_t recent_ms(const Keep& keep) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(keep.recent.count(), 0));
}

std::uint64_t recent_apart_ms(const Keep& keep) {
  if (keep.recent_ticks == Keep::kAll) return 0;
  return std::max<std::uint64_t>(recent_ms(keep) / std::max<std::size_t>(keep.recent_ticks, 1), 1);
}

/// Of the first `count` ticks those stay that are far enough from the one that stayed before; the first one always.
/// Returns how many are left.
std::size_t thin_first(Ticks& ticks, std::size_t count, std::uint64_t apart_ms) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (kept == 0 || apart(ticks, kept - 1, i) >= apart_ms) {
      if (kept != i) ticks[kept] = ticks[i];
      ++kept;
    }
  }
  ticks.erase(ticks.begin() + static_cast<std::ptrdiff_t>(kept), ticks.begin() + static_cast<std::ptrdiff_t>(count));
  return kept;
}

}  // namespace

void thin_recent(Ticks& ticks, const Keep& keep) {
  std::size_t n = ticks.size();
  if (n < 4 || apart(ticks, n - 4, n - 3) >= recent_apart_ms(keep)) return;
  ticks.erase(ticks.end() - 3);
}

void thin_older(Ticks& ticks, const Keep& keep, std::uint64_t& apart_ms) {
  std::size_t last = ticks.size() - 1, older = 0;
  // The tick after `older` is the youngest that is as old as the recent time is long: the policy's windows begin with
  // it. One more stays, so that a long interval leaves more than two.
  while (older + 2 < last && apart(ticks, older + 2, last) >= recent_ms(keep)) ++older;
  if (older == 0) return;
  if (keep.older_ticks == 0) {
    ticks.erase(ticks.begin(), ticks.begin() + static_cast<std::ptrdiff_t>(older));
    return;
  }
  apart_ms = std::max({apart_ms, recent_apart_ms(keep), std::uint64_t{1}});
  while ((older = thin_first(ticks, older, apart_ms)) > std::max<std::size_t>(keep.older_ticks, 1)) {
    if (apart_ms > UINT64_MAX / 2) break;
    apart_ms *= 2;
  }
}

}  // namespace tcpadvisor
