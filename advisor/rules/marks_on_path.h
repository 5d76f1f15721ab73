// SPDX-License-Identifier: Apache-2.0
// Do the marks of a program's own queue fit the rate and the delay of the path behind it? Part of user-queue-watermark.
#pragma once

#include "advisor/rules/user_queues.h"

namespace tcpadvisor {

/// Senders are held back, yet the queue runs empty and the kernel has nothing to send: rate = high / wake-up latency.
bool marks_too_small(const QueueView& view, const QueueStory& story);
/// The queue never runs empty, and what is in it waits for longer than an answer may take.
bool marks_too_large(const QueueView& view, const QueueStory& story);

Finding marks_too_small_finding(const QueueView& view, const QueueGroup& group);
Finding marks_too_large_finding(const QueueView& view, const QueueGroup& group);

}  // namespace tcpadvisor
