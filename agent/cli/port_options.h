// SPDX-License-Identifier: Apache-2.0
// `tcpadvisor port …`: which of its commands, and the options of each. A new one: a struct in PortOptions, an add_
// function in port_options.cc, a file port_NAME_command.cc.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/port/load/drive.h"
#include "agent/port/load/server.h"
#include "agent/port/scenario/play.h"
#include "agent/port/script/world.h"

namespace CLI {  // NOLINT: the library's name
class App;
}

namespace tcpadvisor::cli {

enum class PortCommand { list, scenario, run, serve, drive };

struct PortOptions {
  PortCommand command = PortCommand::list;
  bool json = false;  ///< of whichever command it is

  struct {
    std::string name;
    port::scenario::PlayOptions play;
  } scenario;

  struct {
    std::string file;                                      ///< "-": standard input
    std::optional<port::script::TransportKind> transport;  ///< nothing: the script's own
    bool quiet = false, keep_going = false, explain = false;
    std::chrono::milliseconds limit{60'000};
  } run;

  struct {
    std::uint64_t port = 0;                           ///< 0: one that is free
    std::uint64_t sndbuf = 0, recbuf = 0;             ///< bytes; 0: the kernel's own choice
    std::optional<std::chrono::milliseconds> length;  ///< nothing: until a signal
    port::load::ServerOptions server;
  } serve;

  struct {
    std::uint64_t ports = 1, producers = 1, threads = 1, connect = 0;
    std::vector<std::string> settings;  ///< "high=8192"
    port::load::LoadOptions load;
  } drive;
};

/// Defines `port` and everything below it.
CLI::App* add_port_commands(CLI::App& app, PortOptions& options);

}  // namespace tcpadvisor::cli
