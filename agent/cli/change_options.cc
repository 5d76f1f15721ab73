// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/change_options.h"

#include "advisor/base/text.h"
#include "agent/cli/parsed_option.h"

namespace tcpadvisor::cli {
namespace {

CLI::App& add_command(CLI::App& app, ChangeOptions& options, const std::function<void()>& chosen, ChangeCommand command,
                      const std::string& name, const std::string& help) {
  CLI::App* added = app.add_subcommand(name, help);
  added->fallthrough();
  added->callback([&options, command, chosen] {
    options.command = command;
    chosen();
  });
  added->add_option("--state", options.state, "directory of the journal (default: /var/lib/tcpadvisor)")
      ->type_name("DIR");
  return *added;
}

}  // namespace

void add_change_commands(CLI::App& app, ChangeOptions& options, const std::function<void()>& chosen) {
  CLI::App& apply = add_command(app, options, chosen, ChangeCommand::apply, "apply",
                                "write what a report recommends and is safe by itself; asks, and keeps the old values");
  CLI::Option* report = apply.add_option("REPORT", options.report, "what report --format json has written");
  report->configurable(false);
  apply.add_option("--only", options.only, "only these findings: ids of rules, or instances (comma between several)")
      ->type_name("ID")
      ->delimiter(',')
      ->allow_extra_args(false);
  CLI::Option* yes = apply.add_flag("--yes", options.yes, "do not ask");
  CLI::Option* dry_run = apply.add_flag("--dry-run", options.dry_run, "show what would be written, and write nothing");
  CLI::Option* list =
      apply.add_flag("--list", options.list, "show what was applied, when, by whom and why, and what was taken back");
  yes->excludes(dry_run);
  list->excludes(report)->excludes(yes)->excludes(dry_run);

  CLI::App& verify = add_command(app, options, chosen, ChangeCommand::verify, "verify",
                                 "observe, and say whether what was applied has brought what it promised");
  add_parsed(
      verify, "--for", options.length, [](const std::string& text) { return parse_duration(text); },
      "how long to observe, with a unit: ms, s, m or h (default: 10s)", "DURATION");
  verify.footer(
      "Exit codes: 0 all promises are kept, 12 some cannot be judged yet, 14 one is not kept; 1, 2, 4 as ever.");

  CLI::App& rollback = add_command(app, options, chosen, ChangeCommand::rollback, "rollback",
                                   "take back what was applied last: values and files become what they were");
  rollback.add_flag("--yes", options.yes, "do not ask");
  rollback.add_flag("--all", options.all, "take back everything that was ever applied, the last first");
  rollback.add_flag("--force", options.force, "also what somebody has changed since");
}

}  // namespace tcpadvisor::cli
