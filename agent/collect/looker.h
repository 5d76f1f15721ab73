// SPDX-License-Identifier: Apache-2.0
// Who may do what. One thread, the looker, enters namespaces and looks at other users' processes and holds what that
// needs; every other thread, which reads what strangers say, judges or draws, holds nothing and can write nowhere.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "advisor/base/result.h"
#include "agent/os/worker.h"

namespace tcpadvisor::collect {

struct LookerOptions {
  std::vector<int> capabilities;      ///< CAP_… that the looker keeps, as far as we have them
  std::vector<std::string> writable;  ///< directories or files in which the other threads may write
  bool may_write = false;             ///< the looker, too: it writes where only capabilities let us
};

class Looker {
 public:
  /// Call it when everything is open and no other thread runs: the caller and all threads that it starts later lose
  /// their capabilities for good.
  static Result<std::unique_ptr<Looker>> start(const LookerOptions& options);

  os::Worker& thread() { return thread_; }
  /// "cap_sys_ptrace, cap_sys_admin" or "none".
  const std::string& kept() const { return kept_; }
  /// Where the threads can write, in words for doctor; what this kernel does not offer is said.
  const std::string& writes() const { return writes_; }

 private:
  Looker() : thread_("looker") {}

  std::string kept_, writes_;
  os::Worker thread_;
};

}  // namespace tcpadvisor::collect
