// SPDX-License-Identifier: Apache-2.0
// What tests of programs that people run have in common: whether they can run, where their files lie, and where they
// run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <string>

#include "agent/os/unique_fd.h"
#include "tests/scenario/child.h"

namespace tcpadvisor::scenario {

/// An empty string, or why a test of these programs cannot run.
std::string why_not(std::initializer_list<const char*> programs);

/// A folder for a program's configuration and files, removed at the end.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

ChildOptions in(const os::UniqueFd& netns);
std::uint32_t number(const Child& child);

/// Joins two namespaces, 10.77.0.1 here and 10.77.0.2 there; the other one is that of a process. False, with the reason
/// in the test, when it cannot.
bool join(const os::UniqueFd& here, const os::UniqueFd& there, pid_t process_there);

}  // namespace tcpadvisor::scenario
