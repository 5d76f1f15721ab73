// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/rest.h"

#include <algorithm>

#include "advisor/base/saturate.h"
#include "agent/observe/schedule.h"

namespace tcpadvisor::observe {

bool worth_following(const Observation& seen) {
  return to_act_on(seen.verdict) > 0 ||
         std::ranges::any_of(seen.now().user_queues, [](const UserQueue& queue) { return queue.queued > 0; });
}

void Rest::looked(std::uint64_t now_ns, bool followed) {
  looked_ns_ = now_ns;
  if (followed) quiet_since_ns_.reset();
}

bool Rest::spares(std::uint64_t now_ns, std::optional<std::uint64_t> happened, std::chrono::milliseconds longest) {
  const std::optional<Count> before = before_;
  before_ = happened ? std::optional(Count{now_ns, *happened}) : std::nullopt;
  bool quiet = false;
  if (happened && before && *happened >= before->happened) {
    const double seconds = static_cast<double>(sub_sat(now_ns, before->at_ns)) / 1e9;
    quiet = static_cast<double>(*happened - before->happened) <= kLittle * seconds;
  }
  if (!quiet) {
    quiet_since_ns_.reset();
    return false;
  }
  if (!quiet_since_ns_) quiet_since_ns_ = now_ns;
  // A tick is never quite on time: the one that is due now is not put off by another whole interval.
  constexpr std::chrono::milliseconds kSlack{50};
  return sub_sat(now_ns, *quiet_since_ns_) >= ns_of(kQuietFor) &&
         sub_sat(now_ns, looked_ns_) + ns_of(kSlack) < ns_of(longest);
}

}  // namespace tcpadvisor::observe
