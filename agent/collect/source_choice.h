// SPDX-License-Identifier: Apache-2.0
// Which way a fact is read, out of the ways that were tried at the start. A way that stops working leaves its place to
// the next best and is tried again after a pause, twice as long each time it fails again: a service must recover. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "advisor/base/result.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor::collect {

class SourceChoice {
 public:
  static constexpr std::uint64_t kFirstPauseMs = 1'000, kLongestPauseMs = 60'000;

  explicit SourceChoice(std::vector<Attempt> ranked = {}) : attempts_(std::move(ranked)) {}

  /// The best way now: one that works, or one whose pause is over. none: there is none.
  SourceKind best(std::uint64_t now_ms) const;
  void succeeded(SourceKind kind);
  /// From now on the next best, until the pause is over.
  void failed(SourceKind kind, const Error& why, std::uint64_t now_ms);

  const std::vector<Attempt>& attempts() const { return attempts_; }  ///< best first

 private:
  struct Pause {
    std::uint64_t length_ms = 0, until_ms = 0;
  };
  std::vector<Attempt> attempts_;
  std::map<SourceKind, Pause> pauses_;
};

}  // namespace tcpadvisor::collect
