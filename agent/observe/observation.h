// SPDX-License-Identifier: Apache-2.0
// What one tick adds up to: everything that a screen, a report or a recording is made from. Pure data.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "advisor/evidence/window.h"
#include "advisor/rules/policy.h"
#include "advisor/verdict/verdict.h"

namespace tcpadvisor::observe {

/// Cheap to copy: a Window shares its ticks.
struct Observation {
  Window window;                   ///< what the agent remembers; not empty
  Verdict verdict;                 ///< what the rules say about it
  Policy policy;                   ///< the one that they were asked with
  std::uint64_t looks_spared = 0;  ///< so far, because little had happened (agent/observe/rest.h)

  const Sample& now() const { return window.latest(); }
  const PastTick* before() const { return window.before(); }
};

/// Shared by all subscribers and threads; nobody changes it.
using ObservationPtr = std::shared_ptr<const Observation>;

/// Sockets in each state over all namespaces; request sockets count as SYN_RECV.
std::array<std::uint64_t, kStateCount> state_counts(const PastTick& tick);

}  // namespace tcpadvisor::observe
