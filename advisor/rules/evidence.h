// SPDX-License-Identifier: Apache-2.0
// What every rule judges: the window that was observed, the policy that it is judged by, and what several rules would
// otherwise each work out for themselves.
#pragma once

#include <memory>

#include "advisor/evidence/window.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor {

struct QueueView;

/// Made once per judged window and shared by all rules, in one thread; refers to window and policy, which must outlive
/// it. Who is whose other end and who holds what is in window.connections().
class Evidence {
 public:
  Evidence(const Window& observed, const Policy& thresholds);
  ~Evidence();
  Evidence(const Evidence&) = delete;
  Evidence& operator=(const Evidence&) = delete;

  const Window& window;  ///< has at least one sample
  const Policy& policy;

  const Sample& now() const { return window.latest(); }
  const QueueView& queues() const;  ///< the queues of programs over the window (user_queues.h); made when first asked

 private:
  mutable std::unique_ptr<const QueueView> queues_;
};

}  // namespace tcpadvisor
