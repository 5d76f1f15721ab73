// SPDX-License-Identifier: Apache-2.0
// A Window: the latest Sample, what is kept of the ticks before it, and the questions that rules ask of them. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/connections.h"
#include "advisor/evidence/past.h"
#include "advisor/evidence/sample.h"
#include "advisor/evidence/series.h"

namespace tcpadvisor {

/// How long a socket has been in its state.
struct Age {
  std::chrono::milliseconds value{0};
  bool lower_bound = true;  ///< nobody saw the transition: it is at least this old
};

/// A setting whose value was another one in an earlier sample of the window.
struct SettingChange {
  NetnsId netns = 0;
  std::string knob;         ///< by full name
  std::string from;         ///< the value before the first change, as read
  std::uint64_t at_ms = 0;  ///< Sample::mono_ms of the first sample with the latest value
  std::uint64_t times = 0;
};

/// Ticks in time order, as the past keeps them. Copies share the ticks.
class Past {
 public:
  Past() = default;
  Past(const Past& whole, std::size_t from, std::size_t to);  ///< ticks `from` to `to` of it, both included

  bool empty() const { return ticks_.empty(); }
  std::size_t samples() const { return ticks_.size(); }  ///< ticks that are kept: the points of a series
  std::uint64_t taken() const;                           ///< ticks that were taken from the first kept one on
  double span_s() const;                                 ///< from the first tick to the last
  double interval_s() const;               ///< mean distance of two ticks as they were taken, 0 with fewer than two
  double seconds_at(std::size_t i) const;  ///< from the first tick to this one
  const PastTick& at(std::size_t i) const { return *ticks_[i]; }  ///< 0 is the oldest
  const PastTick& first() const { return at(0); }                 ///< not when empty
  const PastTick& last() const { return at(samples() - 1); }      ///< not when empty

  /// The number that `read(const PastTick&)` gives (an optional<double>), over time.
  template <typename Read>
  Series series(Read read) const {
    Series out;
    for (std::size_t i = 0; i < samples(); ++i) {
      if (std::optional<double> value = read(at(i))) add_to(out, i, *value);
    }
    return out;
  }

  /// A kernel counter ("TcpExt.ListenDrops") of one namespace; empty if it was never read.
  Series counter(NetnsId netns, std::string_view name) const;
  /// Its increase over the window; nothing if it was not read at least twice.
  std::optional<double> increase(NetnsId netns, std::string_view name) const;
  /// The same, added up over all namespaces that have it.
  std::optional<double> increase(std::string_view name) const;
  std::optional<double> per_s(std::string_view name) const;

  /// The same socket in each tick, null where it has no row. As long as samples().
  std::vector<const PastRow*> history(const SocketRow& row) const;
  template <typename Read>
  Series socket_series(const SocketRow& row, Read read) const {
    return series_of(past_key(row), &PastTick::rows, read);
  }

  /// The same process (pid and name: pids are used again) in each tick that lists it.
  template <typename Read>
  Series owner_series(const OwnerTotals& owner, Read read) const {
    return series_of(past_key(owner), &PastTick::owners, read);
  }

  /// That process in each tick, null where it is not listed. As long as samples().
  std::vector<const PastOwner*> history(const OwnerTotals& owner) const;

  /// What was sent again towards this address of the latest tick over these ticks. Where it was not listed, nothing
  /// was.
  RetransmitCounts increase(const Retransmits& retransmits) const;
  /// The same of what was dropped.
  std::uint64_t increase(const Drops& drops) const;

 protected:
  /// `visit(what the i-th tick has for this key, or null, i)` for each tick.
  template <typename T, typename Visit>
  void in_each_tick(std::uint64_t key, SharedTable<T> PastTick::* table, Visit visit) const {
    static const SharedTable<T> kNone;
    const SharedTable<T>* before = &kNone;
    const T* then = nullptr;
    for (std::size_t i = 0; i < samples(); ++i) {
      const SharedTable<T>& here = at(i).*table;
      then = here.find(key, *before, then);
      before = &here;
      visit(then, i);
    }
  }
  template <typename T, typename Read>
  Series series_of(std::uint64_t key, SharedTable<T> PastTick::* table, Read read) const {
    Series out;
    in_each_tick(key, table, [&](const T* then, std::size_t i) {
      if (then == nullptr) return;
      if (std::optional<double> value = read(*then)) add_to(out, i, *value);
    });
    return out;
  }
  /// Room for the ticks that are left is made once: a verdict over 8,000 processes makes 50,000 series.
  void add_to(Series& out, std::size_t i, double value) const {
    if (out.empty()) out.reserve(samples() - i);
    out.add(seconds_at(i), value);
  }

  std::vector<std::shared_ptr<const PastTick>> ticks_;
};

/// How much of the past a window keeps. Ticks beyond it are thinned: those that stay are a distance apart, so that
/// neither a long observation nor short intervals let the memory grow.
struct Keep {
  static constexpr std::size_t kAll = SIZE_MAX;

  std::chrono::milliseconds recent = std::chrono::milliseconds::max();  ///< what the policy's windows look at
  std::size_t recent_ticks = kAll;                                      ///< in that time, about
  std::size_t older_ticks = 0;  ///< before it, spread evenly from the first tick on; 0: the older ones are forgotten
};

/// Reading from several threads is fine, push() is not. Copies are cheap.
class Window : public Past {
 public:
  Window() = default;
  explicit Window(const std::vector<SamplePtr>& samples);  ///< oldest first; keeps them all

  /// Adds the newest sample, and thins the past to what `keep` says.
  void push(SamplePtr sample, const Keep& keep = {});

  const Sample& latest() const { return *latest_; }                 ///< not when empty
  const Connections& connections() const { return *connections_; }  ///< of latest(); not when empty
  /// The tick before the latest, as it was taken; null if there was none.
  const PastTick* before() const { return samples() < 2 ? nullptr : &at(samples() - 2); }

  /// The queues of programs that spoke in one of the ticks but not in the latest: their last words.
  const std::vector<UserQueue>& last_words() const;

  /// Settings that somebody has changed since the window began.
  const std::vector<SettingChange>& setting_changes() const;

  /// For a row of latest(): the age that the source reports, or how long we have seen it in this state, whichever is
  /// more.
  Age age(const SocketRow& row) const;

  /// True if the observation is as long as `count` windows of `length` (give or take half a sample).
  bool covers(std::uint32_t count, std::chrono::milliseconds length) const;
  /// The last `count` windows of `length`, oldest first; neighbours share a tick. An observation that is too short is
  /// cut into `count` equal parts instead. Nothing if a part would have fewer than two ticks.
  std::vector<Past> split(std::uint32_t count, std::chrono::milliseconds length) const;

  std::size_t past_bytes() const;  ///< of memory that the kept ticks take, about

 private:
  struct LastWords {
    std::vector<UserQueue> queues;
    std::vector<std::uint64_t> numbers;  ///< of the tick in which each spoke last
  };
  void hear_last_words(const Sample& next);
  void see_setting_changes(const Sample& next);
  void thin(const Keep& keep);
  std::size_t nearest(double mono_ms) const;

  SamplePtr latest_;
  std::shared_ptr<const Connections> connections_;  ///< of latest_
  std::shared_ptr<const LastWords> last_words_;
  std::shared_ptr<const std::vector<SettingChange>> setting_changes_;  ///< null: none
  std::uint64_t older_apart_ms_ = 0;                                   ///< the older ticks are at least so far apart
};

}  // namespace tcpadvisor
