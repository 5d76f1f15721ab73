// SPDX-License-Identifier: Apache-2.0
// A program that a test starts, listens to and ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::scenario {

using Millis = std::chrono::milliseconds;

struct ChildOptions {
  std::map<std::string, std::string> env;  ///< added to ours
  std::optional<uid_t> uid;                ///< become this user (and group) without any capability
  int netns_fd = -1;                       ///< -1: our namespace
};

struct Ended {
  int exit_code = -1;  ///< -1: it did not end in time and was killed; 128 + N: signal N ended it
  std::string out, err;
};

class Child {
 public:
  /// Searches PATH if the program has no slash. What cannot be started ends with exit code 127 and the reason on
  /// stderr.
  Child(std::vector<std::string> command, const ChildOptions& options = {});
  Child(Child&&) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();  ///< asks it to end, and kills it if it does not

  pid_t pid() const { return pid_; }
  /// The next line of its output; nothing when it ended or was silent for too long.
  std::optional<std::string> read_line(Millis timeout);
  void signal(int number) const;
  Ended wait(Millis timeout);

 private:
  /// Takes what is there from both pipes. False when both are closed.
  bool pump(Millis timeout);

  pid_t pid_ = -1;
  os::UniqueFd out_, err_;
  std::string out_text_, err_text_;
};

/// Starts, waits and returns what it said.
Ended run(std::vector<std::string> command, Millis timeout, const ChildOptions& options = {});

bool in_path(const std::string& program);

}  // namespace tcpadvisor::scenario
