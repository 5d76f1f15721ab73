// SPDX-License-Identifier: Apache-2.0
// One row on this machine: its faults are made, looked at, reported about, judged and taken away.
#pragma once

#include <string>
#include <vector>

#include "tests/scenario/truth/row.h"

namespace tcpadvisor::truth {

struct Tools {
  std::string fault;
  std::string port;                  ///< tcpadvisor, for the scenarios of its port driver                 ///< tcpfault
  std::vector<std::string> advisor;  ///< prints the report about one namespace, "pid:" and a number, its last argument
};

enum class State {
  judged,
  invalid,   ///< the fault was not there, or no report was made: this says nothing about the advisor
  not_here,  ///< this host cannot make it
};

struct Result {
  State state = State::judged;
  std::string why;  ///< if it was not judged
  Judged judged;
  std::vector<Said> said;
  nlohmann::json report;
  double seconds = 0;

  bool is_right() const { return state == State::judged && judged.missed.empty() && judged.too_much.empty(); }
};

Result run_row(const Row& row, const Tools& tools);

}  // namespace tcpadvisor::truth
