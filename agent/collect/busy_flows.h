// SPDX-License-Identifier: Apache-2.0
// On a host with too many sockets for a row each: which of them the walks look at, so that those that carry the most
// have a row in every tick. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "advisor/evidence/sample.h"
#include "agent/kernel/tracer.h"

namespace tcpadvisor::collect {

/// A part of all sockets is looked at in turn. Those of them that are in use are followed for a walk, and for as long
/// as they are among the busiest.
class BusyFlows {
 public:
  static constexpr std::size_t kFollowed = 512;      ///< that were measured: the busiest
  static constexpr std::size_t kNew = 512;           ///< of a walk: found by it, and measured by the next
  static constexpr std::uint64_t kLookedAt = 8'192;  ///< sockets of one walk, about: they cost more than others

  /// What the next walk looks at, of about so many sockets.
  const kernel::Look& next(std::uint64_t sockets);
  const kernel::Look& look() const { return look_; }  ///< as next() said last
  /// A row of that walk that came by the look.
  void saw(const SocketRow& row, kernel::Spot spot);
  /// The walk is over; `whole` if it came to its end everywhere, and tells who has carried anything.
  void end_walk(bool whole = true);

  std::size_t followed() const { return flows_.size(); }
  /// Every socket has had its turn lately, and there was room for all that were in use: no other one carried anything
  /// when its turn came.
  bool lists_all_in_use() const { return walks_with_room_ >= parts_; }

 private:
  struct Flow {
    kernel::Spot spot = 0;
    std::uint64_t bytes = 0;             ///< carried so far, both ways
    std::optional<std::uint64_t> moved;  ///< between the last two walks
    bool seen = false;                   ///< by this walk
  };

  kernel::Look look_;
  std::uint64_t parts_ = 1;  ///< a power of two
  std::uint32_t walks_ = 0;
  std::uint64_t walks_with_room_ = 0;  ///< one after the other, with parts of this size
  std::size_t new_ = 0;
  std::unordered_map<std::uint64_t, Flow> flows_;  ///< by cookie
};

/// For rows that the kernel's walk did not choose: the spot of one that the look includes and that is in use.
std::optional<kernel::Spot> looked_at(const SocketRow& row, const kernel::Look& look);

}  // namespace tcpadvisor::collect
