// SPDX-License-Identifier: Apache-2.0
// Sockets that a process keeps open and that another one used: what a program does not open close-on-exec, the programs
// that it starts inherit.
#pragma once

#include <string>

#include "advisor/rules/holding.h"

namespace tcpadvisor {

/// Whose sockets a process holds without having asked for them.
struct Inherited {
  std::string from;   ///< "app[12]"; empty: nothing speaks for it
  bool seen = false;  ///< the other one was seen to use them, and has closed them; else it only listens where they came
};

Inherited inherited_by(const Window& window, const Holding& holding);

/// The one to mend is who opened them: `who`, which merely got them, does not know that it has them.
void say_inherited(const Inherited& inherited, const std::string& who, Finding& finding);

}  // namespace tcpadvisor
