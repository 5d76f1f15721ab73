// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/port_options.h"

#include "agent/cli/parsed_option.h"

namespace tcpadvisor::cli {
namespace {

CLI::App& add_command(CLI::App& port, PortOptions& options, const std::string& name, const std::string& help,
                      PortCommand command) {
  CLI::App* added = port.add_subcommand(name, help);
  added->fallthrough();
  added->callback([&options, command] { options.command = command; });
  added->add_flag("--json", options.json, "print one JSON object per line");
  return *added;
}

void add_scenario(CLI::App& port, PortOptions& options) {
  CLI::App& app = add_command(port, options, "scenario", "make one symptom in the kernel and tell the truth beside it",
                              PortCommand::scenario);
  app.add_option("NAME", options.scenario.name, "what to play; tcpadvisor port list has the names")->required();
  auto& play = options.scenario.play;
  add_parsed(
      app, "--hold", play.hold, [](const std::string& text) { return parse_duration(text); },
      "how long it stands, with a unit: ms, s, m or h (default: 20s)", "DURATION");
  // Not the global option: this says where traffic is made, not where to look.
  add_parsed(
      app, "--netns", play.private_netns,
      [](const std::string& text) { return one_of<bool>(text, {{"private", true}, {"own", false}}); },
      "private: in a network namespace of its own, own: where it is started (default: private)", "WHERE");
  add_parsed(
      app, "--transport", play.transport,
      [](const std::string& text) {
        using Transport = port::scenario::PlayOptions::Transport;
        return one_of<Transport>(
            text, {{"tcp", Transport::tcp}, {"unix", Transport::unix_sockets}, {"fake", Transport::fake}});
      },
      "tcp; for s2 also unix, or fake: a kernel that takes 5 bytes (default: tcp)", "WHAT");
}

void add_run(CLI::App& port, PortOptions& options) {
  CLI::App& app = add_command(port, options, "run", "play a script, step by step", PortCommand::run);
  auto& run = options.run;
  app.add_option("FILE", run.file, "the script; - reads standard input")->required();
  add_parsed(
      app, "--transport", run.transport,
      [](const std::string& text) {
        using Kind = port::script::TransportKind;
        return one_of<Kind>(text, {{"fake", Kind::fake}, {"unix", Kind::unix}, {"tcp", Kind::tcp}});
      },
      "fake, unix or tcp instead of the script's own", "WHAT");
  app.add_flag("--quiet", run.quiet, "no transcript, only the end");
  app.add_flag("--keep-going", run.keep_going, "past expectations that do not hold");
  add_parsed(
      app, "--limit", run.limit, [](const std::string& text) { return parse_duration(text); },
      "how long it may take, with a unit: ms, s, m or h (default: 60s)", "DURATION");
}

}  // namespace

CLI::App* add_port_commands(CLI::App& app, PortOptions& options) {
  CLI::App* port =
      app.add_subcommand("port", "the port driver: user-space queues in front of the kernel's, to look at");
  port->fallthrough();
  port->require_subcommand(1);
  add_command(*port, options, "list", "the scenarios", PortCommand::list);
  add_scenario(*port, options);
  add_run(*port, options);
  return port;
}

}  // namespace tcpadvisor::cli
