// SPDX-License-Identifier: Apache-2.0
// `tcpadvisor port …`: which of its commands, and the options of each. A new one: a struct in PortOptions, an add_
// function in port_options.cc, a file port_NAME_command.cc.
#pragma once

#include <chrono>
#include <string>

#include "agent/port/scenario/play.h"

namespace CLI {
class App;
}

namespace tcpadvisor::cli {

enum class PortCommand { list, scenario };

struct PortOptions {
  PortCommand command = PortCommand::list;
  bool json = false;  ///< of whichever command it is

  struct {
    std::string name;
    port::scenario::PlayOptions play;
  } scenario;
};

/// Defines `port` and everything below it.
CLI::App* add_port_commands(CLI::App& app, PortOptions& options);

}  // namespace tcpadvisor::cli
