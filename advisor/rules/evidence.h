// SPDX-License-Identifier: Apache-2.0
// What every rule judges: the window that was observed, and the policy that it is judged by.
#pragma once

#include "advisor/evidence/window.h"
#include "advisor/rules/policy.h"

namespace tcpadvisor {

/// Made once per judged window and shared by all rules; refers to window and policy, which must outlive it.
class Evidence {
 public:
  Evidence(const Window& observed, const Policy& thresholds) : window(observed), policy(thresholds) {}

  const Window& window;  ///< has at least one sample
  const Policy& policy;

  const Sample& now() const { return window.latest(); }
};

}  // namespace tcpadvisor
