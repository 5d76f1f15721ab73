// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/evidence.h"

#include "advisor/rules/accept_queue.h"
#include "advisor/rules/memory_gate.h"
#include "advisor/rules/user_queues.h"

namespace tcpadvisor {

Evidence::Evidence(const Window& observed, const Policy& thresholds)
    : window(observed), policy(thresholds), whole_(*this) {}

Evidence::Evidence(const Evidence& whole, const Policy& own) : window(whole.window), policy(own), whole_(whole) {}

Evidence::~Evidence() = default;

const QueueView& Evidence::queues() const {
  if (&whole_ != this) return whole_.queues();
  if (!queues_) queues_ = std::make_unique<const QueueView>(view_queues(window, policy));
  return *queues_;
}

const std::vector<QueueHistory>& Evidence::accept_queues() const {
  if (&whole_ != this) return whole_.accept_queues();
  if (!accept_queues_) accept_queues_ = std::make_unique<const std::vector<QueueHistory>>(all_queues(window));
  return *accept_queues_;
}

std::uint64_t Evidence::busy_connections() const {
  if (&whole_ != this) return whole_.busy_connections();
  if (!busy_connections_) busy_connections_ = count_busy_connections(window);
  return *busy_connections_;
}

}  // namespace tcpadvisor
