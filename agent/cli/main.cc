// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstdlib>
#include <exception>

#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/options.h"
#include "agent/cli/output.h"

namespace {

using namespace tcpadvisor;

int run_port(const cli::Options& options, os::StopSignals& signals) {
  switch (options.port.command) {
    case cli::PortCommand::scenario:
      return cli::run_port_scenario(options, signals);
    case cli::PortCommand::run:
      return cli::run_port_script(options, signals);
    case cli::PortCommand::serve:
      return cli::run_port_serve(options, signals);
    case cli::PortCommand::drive:
      return cli::run_port_drive(options, signals);
    case cli::PortCommand::list:
      break;
  }
  return cli::run_port_list(options);
}

int run_change(const cli::Options& options, os::StopSignals& signals) {
  switch (options.change.command) {
    case cli::ChangeCommand::apply:
      return cli::run_apply(options, signals);
    case cli::ChangeCommand::rollback:
      return cli::run_rollback(options, signals);
    case cli::ChangeCommand::verify:
      break;
  }
  return cli::run_verify(options, signals);
}

int run(const cli::Options& options) {
  // Before any thread, so that all of them leave the signals to this one.
  auto signals = os::StopSignals::open();
  if (!signals) {
    cli::print_error(signals.error());
    return EXIT_FAILURE;
  }
  switch (options.command) {
    case cli::Command::watch:
      return cli::run_watch(options, **signals);
    case cli::Command::report:
      return cli::run_report(options, **signals);
    case cli::Command::port:
      return run_port(options, **signals);
    case cli::Command::record:
      return cli::run_record(options, **signals);
    case cli::Command::whatif:
      return cli::run_whatif(options, **signals);
    case cli::Command::knobs:
      return cli::run_knobs(options);
    case cli::Command::serve:
      return cli::run_serve(options, **signals);
    case cli::Command::metrics:
      return cli::run_metrics(options);
    case cli::Command::explain:
      return cli::run_explain(options);
    case cli::Command::change:
      return run_change(options, **signals);
    case cli::Command::doctor:
      break;
  }
  return cli::run_doctor(options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    auto parsed = cli::parse_options(argc, argv);
    if (!parsed) {
      cli::print_error(parsed.error());
      return cli::exit_code_of(parsed.error());
    }
    if (!parsed->options) {
      auto status = cli::write_stdout(parsed->text);
      return status ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    cli::set_log_level(parsed->options->log_level);
    return run(*parsed->options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tcpadvisor: internal error: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
