// SPDX-License-Identifier: Apache-2.0
// What would change on a host that was observed, if a setting had another value or more load came: who, from what to
// what, and by which arithmetic. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "advisor/rules/evidence.h"
#include "advisor/whatif/question.h"

namespace tcpadvisor::whatif {

/// One number of somebody, now and then.
struct Effect {
  std::string of;      ///< "sink[3], 10.0.0.1:80 <- 10.0.0.2:4000"
  std::string metric;  ///< "rate", "accept_queue_limit", snake_case
  double from = 0, to = 0;
  std::string unit;     ///< "bytes", "bytes/s", "connections", "ports", "connections/s", "s", "ms"
  bool bound = false;   ///< `to` is the most that it can become: something else may hold it below
  std::string formula;  ///< with the numbers in it
};

enum class Holds : std::uint8_t { yes, no, unknown };

/// One condition that memory sets (M1 to M5), or one limit that a load meets.
struct Check {
  std::string name;  ///< "M2"
  Holds holds = Holds::unknown;
  std::string text;  ///< with the numbers
};

struct Answer {
  std::string asked;    ///< as typed
  std::string knob;     ///< its full name; empty: a load, or no sysctl
  std::string now;      ///< the present value; empty: a load, or not read
  std::string summary;  ///< one sentence; "no effect here, because …" without effects
  bool changes = false;
  std::vector<Effect> effects;  ///< what changes most comes first
  std::vector<Check> memory, limits;
  std::vector<std::string> notes;  ///< when it acts, and what else has to be thought of
};

/// In the order of the question. The window has at least one sample.
std::vector<Answer> answers(const Evidence& in, const Question& question);

}  // namespace tcpadvisor::whatif
