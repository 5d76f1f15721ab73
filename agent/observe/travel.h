// SPDX-License-Identifier: Apache-2.0
// The observations that somebody would have had who had watched then, by today's rules: a recording, looked at in any
// order.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "advisor/base/result.h"
#include "advisor/verdict/standing.h"
#include "agent/observe/history.h"
#include "agent/observe/observation.h"

namespace tcpadvisor::observe {

/// Ticks `first` to `last`, all judged together as a report does. Ticks that are damaged are passed over; an error only
/// if none can be read.
Result<ObservationPtr> observe_past(History& history, const Policy& policy, std::size_t first, std::size_t last,
                                    std::size_t older_ticks);

/// The last tick at or before that unix time; 0 if there is none before it.
std::size_t tick_at(const History& history, std::int64_t wall_ms);
/// The first tick that is at most so long before tick `last`.
std::size_t tick_before(const History& history, std::size_t last, std::chrono::milliseconds length);

/// Findings that are more than information came, went, or changed their severity.
bool differ(const Verdict& a, const Verdict& b);

class Travel {
 public:
  Travel(History& history, Policy policy) : history_(history), policy_(std::move(policy)) {}

  std::size_t place() const { return at_; }  ///< of the tick that was looked at last
  std::size_t count() const { return history_.moments().size(); }
  const History::Moment& moment() const { return history_.moments()[at_]; }
  /// From this tick to the next, as they were taken; 0 after the last.
  std::uint64_t ms_to_next() const;

  /// As if the watch had begun as long before as the policy's windows reach.
  Result<ObservationPtr> go_to(std::size_t at);
  /// The next tick that can be read; nothing after the last.
  Result<std::optional<ObservationPtr>> next();

 private:
  Result<ObservationPtr> judged();

  History& history_;
  const Policy policy_;
  std::size_t at_ = 0;
  Window window_;
  Standing standing_;
};

}  // namespace tcpadvisor::observe
