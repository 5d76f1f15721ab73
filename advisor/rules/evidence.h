// SPDX-License-Identifier: Apache-2.0
// What every rule judges: the window that was observed, the policy that it is judged by, and what several rules would
// otherwise each work out for themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "advisor/evidence/window.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor {

struct QueueHistory;
struct QueueView;

/// What rules share is made once per judged window, in one thread. Refers to window and policy, which must outlive it.
/// Who is whose other end and who holds what is in window.connections().
class Evidence {
 public:
  Evidence(const Window& observed, const Policy& thresholds);
  /// The same evidence for one rule, by the thresholds that the policy sets for it; shares what `whole` has made.
  Evidence(const Evidence& whole, const Policy& own);
  ~Evidence();
  Evidence(const Evidence&) = delete;
  Evidence& operator=(const Evidence&) = delete;

  const Window& window;  ///< has at least one sample
  const Policy& policy;

  const Sample& now() const { return window.latest(); }
  // Made when first asked for.
  const QueueView& queues() const;                         ///< of programs, over the window (user_queues.h)
  const std::vector<QueueHistory>& accept_queues() const;  ///< of all listeners that have a row (accept_queue.h)
  std::uint64_t busy_connections() const;                  ///< with much in their buffers (memory_gate.h)

 private:
  const Evidence& whole_;  ///< itself, or what it was made of
  mutable std::unique_ptr<const QueueView> queues_;
  mutable std::unique_ptr<const std::vector<QueueHistory>> accept_queues_;
  mutable std::optional<std::uint64_t> busy_connections_;
};

}  // namespace tcpadvisor
