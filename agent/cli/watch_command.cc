// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"
#include "agent/watch/live.h"
#include "agent/watch/terminal.h"

namespace tcpadvisor::cli {
namespace {

watch::Output output_of(const Options& options) {
  if (options.watch.json) return watch::Output::json;
  bool interactive = !options.watch.once && is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
  return interactive ? watch::Output::screen : watch::Output::plain;
}

}  // namespace

int run_watch(const Options& options, os::StopSignals& signals) {
  watch::Output output = output_of(options);
  auto collector = open_collector(options, {.show_all = true, .silent = output == watch::Output::screen});
  if (!collector) return failed(collector.error());
  observe::ObserverOptions wanted;
  wanted.schedule = {.interval = interval_for(options), .length = options.watch.length};
  wanted.policy = options.policy;
  wanted.findings_stand = true;
  os::RealSleepClock clock;
  observe::Observer observer(std::move(wanted), **collector, clock);

  watch::LiveOptions live;
  live.once = options.watch.once;
  live.output = output;
  live.colour = wants_color(options.color, STDOUT_FILENO);
  live.utf8 = watch::use_environment_charset();
  live.width = text_width();
  live.tool_version = kVersion;
  auto complain = [](const std::string& text) { log(LogLevel::warning, text); };
  Status status = watch::run(observer, live, signals, complain);
  if (!status) return failed(status.error());
  return exit_code_after(signals);
}

}  // namespace tcpadvisor::cli
