// SPDX-License-Identifier: Apache-2.0
// Which processes a step may ask to stop or to end: never an init or a manager, which all others hang on, and never one
// of several that hold the same socket, because it may be the wrong one.
#pragma once

#include <cstdint>
#include <string>

#include "advisor/evidence/connections.h"

namespace tcpadvisor {

/// A process that a step is about.
struct StepTarget {
  Pid pid = 0;
  std::string comm;
  std::uint32_t holders = 1;  ///< of the sockets concerned

  static StepTarget of(const Owner& owner) { return {owner.pid, owner.comm, owner.holders}; }
  /// A debugger may stop it, and a restart of it is a cure.
  bool harmless() const;
};

/// How to see what a process does: with a debugger only where that harms nobody else.
std::string step_to_see_what_it_does(const StepTarget& process);
/// "until then, a restart of the process frees them"; empty where a restart would hit others.
std::string step_to_restart(const StepTarget& process);

}  // namespace tcpadvisor
