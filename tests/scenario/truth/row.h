// SPDX-License-Identifier: Apache-2.0
// A row of the ground truth: one fault or several at once in one network namespace, the proof that each of them is
// there, and what has to be said about it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scenario/truth/score.h"
#include "tests/scenario/truth/witness.h"

namespace tcpadvisor::truth {

/// What tcpfault says about the fault that it has made.
struct Story {
  pid_t pid = 0;  ///< whom a finding should name
  pid_t peer_pid = 0;
  std::uint16_t port = 0;
  double count = 0;
  bool has_far_side = false;  ///< peer_pid lives in a namespace of its own
};

struct Testimony {
  const Witness& here;
  const Witness* far = nullptr;  ///< of the fault's other namespace, if it has one
  const Story& story;
};

/// Empty: the fault is there. Else what is missing, with the number that was seen.
using Proof = std::function<std::string(const Testimony&)>;

/// One fault of a row.
struct Part {
  std::string_view fault;  ///< as tcpfault calls it; "port:NAME" is a scenario of `tcpadvisor port`
  std::vector<Want> wanted;
  std::vector<std::string_view> beside;  ///< may be said as well
  Proof proof;
  std::vector<std::string> arguments{};  ///< further ones of tcpfault
};

enum class End { here, far };

struct Row {
  std::string_view name;
  std::string_view source;  ///< experiment or rule that it comes from
  std::vector<Part> parts;
  std::vector<std::string_view> never{};  ///< not even in passing
  bool measured = false;                  ///< rates and round trips: it wants a processor for itself
  End asked = End::here;                  ///< at which end of the path the report is made
  std::optional<Class> limiter{};         ///< of a bulk flow: the row counts in the confusion matrix
  std::string_view thresholds{};  ///< lines of a policy file, where a test cannot be as large as what it is about
};

/// Rows with one fault, rows with nothing wrong, rows with two faults, and the questions that people come with.
const std::vector<Row>& fault_rows();
const std::vector<Row>& control_rows();
const std::vector<Row>& double_rows();
const std::vector<Row>& story_rows();

}  // namespace tcpadvisor::truth
