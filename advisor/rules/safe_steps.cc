// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/safe_steps.h"

#include <fmt/format.h>

#include "advisor/base/managers.h"

namespace tcpadvisor {
bool StepTarget::harmless() const {
  return pid != 0 && holders <= 1 && !is_manager(pid, comm);
}

std::string step_to_see_what_it_does(const StepTarget& process) {
  std::string step = fmt::format("see where it hangs: cat /proc/{0}/wchan /proc/{0}/status", process.pid);
  if (!process.harmless()) return step;
  return step + fmt::format("; gdb -p {} -batch -ex 'thread apply all bt'", process.pid);
}

std::string step_to_restart(const StepTarget& process) {
  return process.harmless() ? "until then, a restart of the process frees them" : "";
}

}  // namespace tcpadvisor
