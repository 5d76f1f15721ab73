// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/evidence.h"

#include "advisor/rules/user_queues.h"

namespace tcpadvisor {

Evidence::Evidence(const Window& observed, const Policy& thresholds) : window(observed), policy(thresholds) {}

Evidence::~Evidence() = default;

const QueueView& Evidence::queues() const {
  if (queues_ == nullptr) queues_ = std::make_unique<const QueueView>(view_queues(window, policy));
  return *queues_;
}

}  // namespace tcpadvisor
