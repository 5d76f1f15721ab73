// SPDX-License-Identifier: Apache-2.0
// `apply`, `verify` and `rollback`: their options.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace CLI {  // NOLINT: the library's name
class App;
}

namespace tcpadvisor::cli {

enum class ChangeCommand { apply, verify, rollback };

struct ChangeOptions {
  ChangeCommand command = ChangeCommand::apply;
  std::string report;  ///< of `apply`; empty with `list`
  std::vector<std::string> only;
  bool yes = false, dry_run = false, list = false;
  bool all = false, force = false;  ///< of `rollback`
  std::chrono::milliseconds length{10'000};
  std::string state = "/var/lib/tcpadvisor";  ///< where the journal is
};

/// `chosen` is called when one of them is.
void add_change_commands(CLI::App& app, ChangeOptions& options, const std::function<void()>& chosen);

}  // namespace tcpadvisor::cli
