// SPDX-License-Identifier: Apache-2.0
// Ticks that were taken before and can be looked at in any order: a recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor::observe {

class History {
 public:
  struct Moment {
    std::uint64_t mono_ms = 0;
    std::int64_t wall_ms = 0;
  };

  virtual ~History() = default;
  virtual const std::vector<Moment>& moments() const = 0;  ///< one for each tick, in the order in which they were taken
  /// By its place among the moments. Reading on from the one before is the cheapest. bad_input: it is damaged.
  virtual Result<SamplePtr> sample(std::size_t at) = 0;
};

}  // namespace tcpadvisor::observe
