// SPDX-License-Identifier: Apache-2.0
// A Window: the last Samples in time order, and the questions that rules ask of them. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "advisor/evidence/sample.h"
#include "advisor/evidence/series.h"

namespace tcpadvisor {

/// How long a socket has been in its state.
struct Age {
  std::chrono::milliseconds value{0};
  bool lower_bound = true;  ///< nobody saw the transition: it is at least this old
};

/// Sockets are known by their cookie, those without one by addresses and inode. Each sample is indexed once, when it
/// comes in; windows made by split() share the indexes. Reading from several threads is fine, push() is not.
class Window {
 public:
  Window() = default;
  explicit Window(const std::vector<SamplePtr>& samples);  ///< oldest first

  /// Adds the newest sample and forgets the oldest ones beyond `max_samples`.
  void push(SamplePtr sample, std::size_t max_samples = SIZE_MAX);

  bool empty() const { return entries_.empty(); }
  std::size_t samples() const { return entries_.size(); }
  double span_s() const;      ///< from the first sample to the last
  double interval_s() const;  ///< mean distance of two samples, 0 with fewer than two
  const Sample& at(std::size_t i) const { return *entries_[i].sample; }  ///< 0 is the oldest
  const Sample& first() const { return at(0); }                          ///< not when empty
  const Sample& latest() const { return at(samples() - 1); }             ///< not when empty

  /// The number that `read(const Sample&)` gives (an optional<double>), over time.
  template <typename Read>
  Series series(Read read) const {
    Series out;
    for (std::size_t i = 0; i < samples(); ++i) {
      if (std::optional<double> value = read(at(i))) out.add(seconds_at(i), *value);
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

  /// The same socket in each sample, null where it has no row. As long as samples().
  std::vector<const SocketRow*> history(const SocketRow& row) const;
  template <typename Read>
  Series socket_series(const SocketRow& row, Read read) const {
    Series out;
    for (std::size_t i = 0; i < samples(); ++i) {
      const SocketRow* then = entries_[i].find(row);
      if (then == nullptr) continue;
      if (std::optional<double> value = read(*then)) out.add(seconds_at(i), *value);
    }
    return out;
  }

  /// The same process (pid and name: pids are used again) in each sample that lists it.
  template <typename Read>
  Series owner_series(const OwnerTotals& owner, Read read) const {
    return series([&](const Sample& sample) -> std::optional<double> {
      const OwnerTotals* then = sample.find_owner(owner.pid);
      if (then == nullptr || then->comm != owner.comm) return std::nullopt;
      return read(*then);
    });
  }

  /// For a row of latest(): the age that the source reports, or how long we have seen it in this state, whichever is
  /// more.
  Age age(const SocketRow& row) const;

  /// True if the observation is as long as `count` windows of `length` (give or take half a sample).
  bool covers(std::uint32_t count, std::chrono::milliseconds length) const;
  /// The last `count` windows of `length`, oldest first; neighbours share a sample. An observation that is too short is
  /// cut into `count` equal parts instead. Nothing if a part would have fewer than two samples.
  std::vector<Window> split(std::uint32_t count, std::chrono::milliseconds length) const;

 private:
  struct IndexedRow {
    std::uint64_t key;
    std::uint32_t row;
    std::uint32_t observed_ms;  ///< seen in this state for so long, up to this sample
  };
  using Index = std::vector<IndexedRow>;  // sorted by key
  struct Entry {
    SamplePtr sample;
    std::shared_ptr<const Index> index;
    const IndexedRow* lookup(std::uint64_t key) const;
    const SocketRow* find(const SocketRow& row) const;
  };

  static std::uint64_t key_of(const SocketRow& row);
  double seconds_at(std::size_t i) const;
  std::size_t nearest(double mono_ms) const;

  std::vector<Entry> entries_;
};

}  // namespace tcpadvisor
