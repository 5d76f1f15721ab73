// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/source_choice.h"

#include <algorithm>

namespace tcpadvisor::collect {

SourceKind SourceChoice::best(std::uint64_t now_ms) const {
  for (const Attempt& attempt : attempts_) {
    if (attempt.works()) return attempt.kind;
    if (attempt.outcome != AttemptOutcome::stopped) continue;
    auto pause = pauses_.find(attempt.kind);
    if (pause == pauses_.end() || now_ms >= pause->second.until_ms) return attempt.kind;
  }
  return SourceKind::none;
}

void SourceChoice::succeeded(SourceKind kind) {
  auto at = std::ranges::find(attempts_, kind, &Attempt::kind);
  if (at == attempts_.end() || at->outcome != AttemptOutcome::stopped) return;
  at->outcome = AttemptOutcome::works;
  at->why_not.clear();
  at->sys_errno = 0;
}

void SourceChoice::failed(SourceKind kind, const Error& why, std::uint64_t now_ms) {
  auto at = std::ranges::find(attempts_, kind, &Attempt::kind);
  if (at == attempts_.end()) return;
  Pause& pause = pauses_[kind];
  // One that works for a moment after each pause is no better than one that does not come back at all.
  bool again = pause.length_ms != 0 && now_ms < pause.until_ms + kLongestPauseMs;
  pause.length_ms = again ? std::min(2 * pause.length_ms, kLongestPauseMs) : kFirstPauseMs;
  pause.until_ms = now_ms + pause.length_ms;
  at->outcome = AttemptOutcome::stopped;
  at->why_not = "stopped working: " + why.message;
  at->cure.clear();
  at->sys_errno = why.sys_errno;
}

}  // namespace tcpadvisor::collect
