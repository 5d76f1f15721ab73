// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/port_options.h"

#include <fmt/format.h>

#include "advisor/base/text.h"
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
  CLI::App& app = add_command(port, options, "scenario",
                              "produce one symptom in the kernel and print the truth beside it", PortCommand::scenario);
  app.add_option("NAME", options.scenario.name, "which one; tcpadvisor port list has the names")->required();
  auto& play = options.scenario.play;
  add_parsed(
      app, "--hold", play.hold, [](const std::string& text) { return parse_duration(text); },
      "how long to hold it, with a unit: ms, s, m or h (default: 20s)", "DURATION");
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
  app.add_flag("--quiet", run.quiet, "print no transcript, only how it ended");
  app.add_flag("--explain", run.explain, "say with each step why callers wait or go on, and what the port does");
  app.add_flag("--keep-going", run.keep_going, "go on after an expectation that does not hold");
  add_parsed(
      app, "--limit", run.limit, [](const std::string& text) { return parse_duration(text); },
      "how long the script may take, with a unit: ms, s, m or h (default: 60s)", "DURATION");
}

Result<std::uint64_t> parse_count(const std::string& text, std::uint64_t least, std::uint64_t most) {
  auto value = parse_u64(text);
  if (value && (*value < least || *value > most)) {
    return fail(ErrorCode::bad_input, fmt::format("'{}' is out of range: {} to {}", text, least, with_commas(most)));
  }
  return value;
}

void add_count(CLI::App& app, const std::string& name, std::uint64_t& target, std::uint64_t least, std::uint64_t most,
               const std::string& help) {
  add_parsed(
      app, name, target, [least, most](const std::string& text) { return parse_count(text, least, most); }, help, "N");
}

void add_size(CLI::App& app, const std::string& name, std::uint64_t& target, const std::string& help) {
  add_parsed(app, name, target, [](const std::string& text) { return parse_size(text); }, help, "SIZE");
}

void add_serve(CLI::App& port, PortOptions& options) {
  CLI::App& app = add_command(port, options, "serve", "read what arrives on a port of 127.0.0.1, or send it back",
                              PortCommand::serve);
  auto& serve = options.serve;
  add_count(app, "--port", serve.port, 0, 65'535, "port to listen on (default: a free one, which is printed)");
  app.add_flag("--echo", serve.server.echo, "send everything back");
  add_size(app, "--rate", serve.server.rate,
           "read this many bytes a second from each connection, with a unit: K, M, KiB, MiB");
  add_parsed(
      app, "--rest", serve.server.rest, [](const std::string& text) { return parse_duration(text); },
      "pause this long after each read: fewer wakeups, larger reads", "DURATION");
  add_size(app, "--stall-after", serve.server.stall_after, "stop reading a connection after this many bytes");
  add_size(app, "--close-after", serve.server.close_after, "close a connection after reading this many bytes");
  app.add_flag("--reset", serve.server.reset, "close with RST");
  add_size(app, "--message", serve.server.message, "size of the messages of port drive: measure their delivery");
  add_size(app, "--recbuf", serve.recbuf, "SO_RCVBUF");
  add_size(app, "--sndbuf", serve.sndbuf, "SO_SNDBUF");
  add_parsed(
      app, "--for", serve.length, [](const std::string& text) { return parse_duration(text); },
      "end after this time, with a unit: ms, s, m or h", "DURATION");
}

void add_drive(CLI::App& port, PortOptions& options) {
  CLI::App& app =
      add_command(port, options, "drive", "send through many ports and measure, to a reader of its own or elsewhere",
                  PortCommand::drive);
  auto& drive = options.drive;
  auto& load = drive.load;
  add_count(app, "--connect", drive.connect, 1, 65'535, "a port of 127.0.0.1 (default: a reader of its own)");
  add_count(app, "--ports", drive.ports, 1, 100'000, "connections (default: 1)");
  add_count(app, "--producers", drive.producers, 1, 10'000, "callers on each port (default: 1)");
  add_count(app, "--threads", drive.threads, 1, 64, "threads that share the ports (default: 1)");
  add_size(app, "--size", load.size, "size of a message, at least 8 bytes (default: 100)");
  add_count(app, "--rate", load.rate, 1, 100'000'000, "messages a second in all (default: as many as possible)");
  add_parsed(
      app, "--for", load.length, [](const std::string& text) { return parse_duration(text); },
      "how long to send, with a unit: ms, s, m or h (default: 5s)", "DURATION");
  app.add_flag("--idle", load.idle, "only open the ports and keep them open");
  add_parsed(
      app, "--transport", load.unix_sockets,
      [](const std::string& text) { return one_of<bool>(text, {{"tcp", false}, {"unix", true}}); },
      "tcp or unix (default: tcp)", "WHAT");
  add_parsed(
      app, "--kind", load.kind,
      [](const std::string& text) {
        return one_of<port::SendKind>(
            text,
            {{"send", port::SendKind::send}, {"command", port::SendKind::command}, {"bang", port::SendKind::bang}});
      },
      "send: gen_tcp:send, command: port_command, bang: Port ! Message (default: send)", "HOW");
  app.add_flag("--nosuspend", load.nosuspend, "refuse instead of suspending");
  app.add_option(
         "--set", drive.settings,
         "an option of the ports, for example high=65536, low=4096, delay_send=true, nodelay=true; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  add_size(app, "--read-rate", load.reader.rate, "bytes a second that its own reader takes from each port");
}

}  // namespace

CLI::App* add_port_commands(CLI::App& app, PortOptions& options) {
  CLI::App* port = app.add_subcommand("port", "the test port driver: user-space queues in front of the kernel's");
  port->fallthrough();
  port->require_subcommand(1);
  add_command(*port, options, "list", "the scenarios", PortCommand::list);
  add_scenario(*port, options);
  add_run(*port, options);
  add_serve(*port, options);
  add_drive(*port, options);
  return port;
}

}  // namespace tcpadvisor::cli
