// SPDX-License-Identifier: Apache-2.0
// Relations that many rules declare in the same words.
#pragma once

#include "advisor/rules/rule.h"

namespace tcpadvisor {

/// A process that does not run does none of what a rule misses.
inline constexpr ExplainedBy kProcessStopped = {"process-stopped", Link::same_process, Then::yield,
                                                "the process does not run at all",
                                                "Let {who} run again first (see {rule}): it does nothing at all now."};
/// The other end's process does not run.
inline constexpr ExplainedBy kPeerStopped = {"process-stopped", Link::waits_for, Then::yield,
                                             "the process at the other end, {who}, does not run at all",
                                             "Let {who} run again first (see {rule}): it does nothing at all now."};
/// None of the workers that share its listener runs.
inline constexpr ExplainedBy kWorkersStopped = {"process-stopped", Link::shared_listener, Then::yield,
                                                "none of the workers that should accept, {who}, runs at all",
                                                "Let {who} run again first (see {rule}): it does nothing at all now."};
/// accept() fails for want of a descriptor.
inline constexpr ExplainedBy kNoDescriptors = {
    "fd-limit-reached", Link::same_process, Then::yield, "it has no descriptor left, so accept() fails",
    "Give {who} descriptors first (see {rule}): accept() fails for want of one."};

/// The same for all the workers that share its listener.
inline constexpr ExplainedBy kWorkersWithoutDescriptors = {
    "fd-limit-reached", Link::shared_listener, Then::yield,
    "the workers that should accept, {who}, have no descriptor left",
    "Give {who} descriptors first (see {rule}): accept() fails for want of one."};

}  // namespace tcpadvisor
