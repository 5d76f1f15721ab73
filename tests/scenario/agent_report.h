// SPDX-License-Identifier: Apache-2.0
// What the agent says about a fault: a fault is started, a report is asked for, and the findings about it are picked
// out.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/os/unique_fd.h"
#include "tests/scenario/child.h"

namespace tcpadvisor::scenario {

/// TCPADVISOR_BIN, or the program of the build that this test belongs to.
std::string agent_binary();
/// TCPFAULT_BIN, or the one beside this test.
std::string fault_binary();
/// True in a virtual machine made for tests: the whole of it is ours.
bool in_guest();
/// Which part of the faults this guest makes, where two divide them: TCPADVISOR_TEST_SHARE, 1 or 2; 0: all.
int guest_share();
/// An empty string, or why tests that need root and namespaces cannot run.
std::string why_not_root();

/// A network namespace with its loopback up, for as long as the descriptor or a process in it lives.
os::UniqueFd new_netns();

/// Whom a finding may be about: one of these processes, or a namespace in which nobody else is.
struct Subject {
  std::vector<std::uint32_t> pids;
  std::vector<std::uint64_t> netns;
};
bool concerns(const nlohmann::json& finding, const Subject& subject);

/// A fault that stands, made by tcpfault (TCPFAULT_BIN, or the one beside this test).
class Fault {
 public:
  /// Returns when the fault stands, or when it is clear that it cannot.
  explicit Fault(const std::vector<std::string>& arguments, const ChildOptions& options = {});

  bool stands() const { return skipped_.empty() && error_.empty(); }
  const std::string& skipped() const { return skipped_; }
  const std::string& error() const { return error_; }
  std::uint32_t pid() const { return story_.value("pid", 0U); }
  std::uint32_t peer_pid() const { return story_.value("peer_pid", 0U); }
  std::uint64_t netns() const { return story_.value("netns", std::uint64_t{0}); }
  std::uint64_t count() const { return story_.value("count", std::uint64_t{0}); }
  pid_t process() const { return child_.pid(); }

  Subject subject() const;

 private:
  Child child_;
  nlohmann::json story_ = nlohmann::json::object();
  std::string skipped_, error_;
};

/// One finding that a report must contain. What is not set is not looked at.
struct Expected {
  std::string id;
  std::optional<std::uint32_t> pid;
  std::optional<std::uint64_t> count;
  bool aged = false;  ///< it gives an age of at least the lab policy's 5 s
  std::string knob;   ///< the only setting that may be proposed; empty: none, the application must change
};

/// So many sockets of one process in one state for too long.
Expected leaked(std::string id, std::uint32_t pid, std::uint64_t count);

/// Runs `report --for 8s --policy lab --format json` and adds `arguments`. Fails the test when it does not give JSON.
nlohmann::json report(const std::vector<std::string>& arguments = {}, const ChildOptions& options = {});

/// Findings that ask for action (warning or critical) about this subject.
std::vector<nlohmann::json> alarms(const nlohmann::json& report, const Subject& subject);

/// Exactly these alarms, with the right process, count and age, and no setting to change.
void expect_alarms(const nlohmann::json& report, const Subject& subject, const std::vector<Expected>& expected);

bool is_checked_and_fine(const nlohmann::json& report, const std::string& id);
/// The reason given, or nothing.
std::optional<std::string> not_assessed(const nlohmann::json& report, const std::string& id);

}  // namespace tcpadvisor::scenario
