// SPDX-License-Identifier: Apache-2.0
// What a report draws of a finding: numbers over the window, and the queues that its bytes stand in. Taken from the
// Window when the report is made, bounded, and data only: svg.h draws it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advisor/evidence/series.h"
#include "advisor/evidence/window.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

/// One number over the window.
struct Course {
  static constexpr std::size_t kMostPoints = 60;
  struct Mark {
    std::string name;
    double value = 0;
  };
  std::string name;  ///< "CLOSE_WAIT sockets of payments[4242]"
  std::string unit;  ///< as a Measurement's
  Series series;     ///< at most kMostPoints; where it was thinned the largest of each stretch
  std::vector<Mark> marks;
};

/// One connection's queues, from the program that writes to the one that reads. Bytes.
struct Chain {
  std::string writer, reader;           ///< "beam.smp[812]", or an address where that end is not on this host
  std::optional<std::uint64_t> driver;  ///< the program's own queue, if it tells
  std::optional<std::uint64_t> send_q, send_limit;
  std::optional<std::uint64_t> window;  ///< what the reader's side lets the wire carry now
  std::optional<std::uint64_t> in_flight;
  std::optional<std::uint64_t> recv_q, recv_limit;
};

struct Pictures {
  std::vector<Course> courses;
  std::optional<Chain> chain;
};

Pictures pictures_of(const Window& window, const Finding& finding);

/// At most Course::kMostPoints points: of each stretch of time the largest, and the last one of all.
Series thinned(const Series& series);

}  // namespace tcpadvisor
