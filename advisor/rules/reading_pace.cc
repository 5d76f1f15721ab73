// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/reading_pace.h"

#include <cmath>
#include <cstddef>

namespace tcpadvisor {
namespace {

constexpr double kStepS = 1;       // what a program does within a second evens out
constexpr double kSpread = 0.25;   // of the mean
constexpr std::size_t kSteps = 5;  // at least

}  // namespace

bool reads_at_a_steady_pace(const Series& taken) {
  if (taken.size() < 2) return false;
  const double mean = (taken.last() - taken.first()) / taken.span_s();
  if (!(mean > 0)) return false;
  std::size_t steps = 0;
  Series::Point from = taken.points().front();
  for (const Series::Point& point : taken.points()) {
    const double took_s = point.t_s - from.t_s;
    if (took_s < kStepS * 0.9) continue;
    if (std::abs((point.value - from.value) / took_s - mean) > kSpread * mean) return false;
    from = point;
    ++steps;
  }
  return steps >= kSteps;
}

}  // namespace tcpadvisor
