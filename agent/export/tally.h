// SPDX-License-Identifier: Apache-2.0
// Counters of what comes and goes: a Sample lists the addresses, listeners and connections of now, a metric must never
// go back. Increases are added up under few names, of which those that rest longest make room. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "agent/export/families.h"
#include "agent/observe/observation.h"

namespace tcpadvisor::exported {

/// What the first value that is seen of a source says.
enum class First : std::uint8_t {
  counts,    ///< it began at 0 while we watched
  is_ahead,  ///< it may have counted long before, or be one that comes and goes: only what is added counts
};

/// One family of counters, by a few names (sets of labels) and "other".
class Counts {
 public:
  Counts(std::size_t most, First first) : most_(most), first_(first) {}

  /// Between begin() and end(): `source` counts `value` by now, for this name. One that has less than before began
  /// again at 0.
  void begin(std::uint64_t mono_ms);
  void see(std::uint64_t source, const Labels& name, std::size_t kind, std::uint64_t value);
  void end();  ///< sources that were not seen are forgotten, what they counted stays

  static constexpr std::size_t kMostKinds = 8;
  using Kinds = std::array<std::uint64_t, kMostKinds>;  ///< what a name counts, side by side: kinds of retransmits …
  /// By name; what was folded has the name of all labels "other".
  std::map<Labels, Kinds> totals() const;
  /// Sources of the latest round whose name is "other", and those that found no room at all.
  std::uint64_t folded() const { return folded_; }

 private:
  struct Name {
    Kinds counts{};
    std::uint64_t grew_ms = 0;  ///< last
  };
  struct Source {
    Kinds last{};
    std::array<bool, kMostKinds> known{};
    std::uint64_t round = 0;
    std::uint64_t folded_in = 0;  ///< the last round in which its name was "other"
  };
  Name& name_for(const Labels& name);

  const std::size_t most_;
  const First first_;
  std::uint64_t now_ms_ = 0, round_ = 0, folded_ = 0;
  std::map<Labels, Name> names_;
  std::unordered_map<std::uint64_t, Source> sources_;
  Name other_;
  Labels other_name_;
  bool has_other_ = false;  ///< something was folded: from then on the series is there, with 0 too
};

/// Round trips in seconds, one observation for each connection with a row at each tick.
inline constexpr std::array kRoundTripEdges = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                               0.025,  0.05,    0.1,    0.25,  0.5,    1.0};

class Tally {
 public:
  /// In the order of the ticks. One that was missed is no loss, unless something came and went in it.
  void see(const observe::Observation& seen);

  Counts retransmits{12, First::counts};       ///< {netns, destination network} by kRetransmitKinds
  Counts failed_connects{12, First::counts};   ///< {netns, destination} by ConnectEnd
  Counts listener_drops{40, First::is_ahead};  ///< {netns, address, port}
  Counts dropped{40, First::counts};           ///< {port or nothing, direction, reason}
  Counts limited_us{1, First::is_ahead};       ///< {} by network, receiver's window, send buffer; blocked senders
  std::map<Labels, Histogram> srtt, min_rtt;   ///< {netns, destination network}
  std::uint64_t folded_round_trips = 0;        ///< connections of the latest tick that went into "other"
  std::uint64_t ticks = 0;

 private:
  void see_round_trips(const observe::Observation& seen);
};

}  // namespace tcpadvisor::exported
