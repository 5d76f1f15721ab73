// SPDX-License-Identifier: Apache-2.0
// Timers in the order in which they are due, and among equals in the order in which they were started. Knows no clock.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>

#include "agent/port/transport.h"

namespace tcpadvisor::port {

class TimerQueue {
 public:
  TimerId add(Time due, std::function<void()> what) {
    TimerId id = ++last_;
    timers_.emplace(std::pair(due, id), std::move(what));
    due_.emplace(id, due);
    return id;
  }

  void cancel(TimerId timer) {
    auto due = due_.extract(timer);
    if (!due.empty()) timers_.erase({due.mapped(), timer});
  }

  bool empty() const { return timers_.empty(); }
  std::optional<Time> next_due() const { return empty() ? std::nullopt : std::optional(timers_.begin()->first.first); }
  TimerId last() const { return last_; }

  struct Due {
    Time due;
    TimerId id = 0;
    std::function<void()> what;
  };
  /// Takes the first timer if it is due at `now` and was started no later than timer `newest`.
  std::optional<Due> take(Time now, TimerId newest = ~TimerId{0}) {
    auto at = timers_.begin();
    if (at == timers_.end() || at->first.first > now || at->first.second > newest) return std::nullopt;
    auto node = timers_.extract(at);
    due_.erase(node.key().second);
    return Due{node.key().first, node.key().second, std::move(node.mapped())};
  }

 private:
  TimerId last_ = 0;
  std::map<std::pair<Time, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, Time> due_;
};

}  // namespace tcpadvisor::port
