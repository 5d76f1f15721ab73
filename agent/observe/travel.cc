// SPDX-License-Identifier: Apache-2.0
#include "agent/observe/travel.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "advisor/rules/words.h"

namespace tcpadvisor::observe {
namespace {

std::map<std::string, Severity> serious(const Verdict& verdict) {
  std::map<std::string, Severity> out;
  for (const Finding& finding : verdict.findings) {
    if (finding.severity != Severity::info) out.emplace(finding.instance, finding.severity);
  }
  return out;
}

}  // namespace

Result<ObservationPtr> observe_past(History& history, const Policy& policy, std::size_t first, std::size_t last,
                                    std::size_t older_ticks) {
  Window window;
  Error why{ErrorCode::bad_input, "there are no ticks", 0};
  for (std::size_t at = first; at <= last && at < history.moments().size(); ++at) {
    Result<SamplePtr> sample = history.sample(at);
    if (!sample) {
      why = sample.error();
      continue;
    }
    window.push(std::move(*sample), keep_for(policy, older_ticks));
  }
  if (window.samples() == 0) return std::unexpected(why);
  Verdict verdict = judge(window, policy);
  return std::make_shared<const Observation>(std::move(window), std::move(verdict), policy);
}

std::size_t tick_at(const History& history, std::int64_t wall_ms) {
  const auto& moments = history.moments();
  std::size_t found = 0;  // the wall clock may have been set: no order is taken for granted
  for (std::size_t at = 0; at < moments.size(); ++at) {
    if (moments[at].wall_ms <= wall_ms) found = at;
  }
  return found;
}

std::size_t tick_before(const History& history, std::size_t last, std::chrono::milliseconds length) {
  const auto& moments = history.moments();
  const auto reach = static_cast<std::uint64_t>(std::max<std::int64_t>(0, length.count()));
  std::size_t first = std::min(last, moments.empty() ? 0 : moments.size() - 1);
  while (first > 0 && moments[first - 1].mono_ms <= moments[last].mono_ms &&
         moments[last].mono_ms - moments[first - 1].mono_ms <= reach) {
    --first;
  }
  return first;
}

bool differ(const Verdict& a, const Verdict& b) {
  return serious(a) != serious(b);
}

std::uint64_t Travel::ms_to_next() const {
  if (at_ + 1 >= count()) return 0;
  const std::uint64_t now = history_.moments()[at_].mono_ms, then = history_.moments()[at_ + 1].mono_ms;
  return then > now ? then - now : 0;
}

Result<ObservationPtr> Travel::judged() {
  Verdict verdict = judge(window_, policy_, standing_);
  standing_ = verdict.standing;
  return std::make_shared<const Observation>(window_, std::move(verdict), policy_);
}

Result<ObservationPtr> Travel::go_to(std::size_t at) {
  const Keep keep = keep_for(policy_);
  at_ = std::min(at, count() == 0 ? 0 : count() - 1);
  window_ = Window();
  standing_ = Standing();
  Error why{ErrorCode::bad_input, "there are no ticks", 0};
  const std::size_t first = tick_before(history_, at_, keep.recent);
  for (std::size_t one = first; one <= at_ && one < count(); ++one) {
    Result<SamplePtr> sample = history_.sample(one);
    if (sample) {
      window_.push(std::move(*sample), keep);
    } else {
      why = sample.error();
    }
  }
  if (window_.samples() == 0) return std::unexpected(why);
  return judged();
}

Result<std::optional<ObservationPtr>> Travel::next() {
  while (at_ + 1 < count()) {
    ++at_;
    Result<SamplePtr> sample = history_.sample(at_);
    if (!sample) continue;
    window_.push(std::move(*sample), keep_for(policy_));
    Result<ObservationPtr> observation = judged();
    if (!observation) return std::unexpected(observation.error());
    return *observation;
  }
  return std::nullopt;
}

}  // namespace tcpadvisor::observe
