// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "agent/cli/commands.h"
#include "agent/cli/log.h"
#include "agent/cli/output.h"
#include "agent/cli/past.h"
#include "agent/watch/live.h"
#include "agent/watch/terminal.h"
#include "agent/watch/travel.h"

namespace tcpadvisor::cli {
namespace {

watch::Output output_of(const Options& options) {
  if (options.watch.json) return watch::Output::json;
  bool interactive = !options.watch.once && is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
  return interactive ? watch::Output::screen : watch::Output::plain;
}

watch::LiveOptions live_options(const Options& options) {
  watch::LiveOptions live;
  live.once = options.watch.once;
  live.output = output_of(options);
  live.colour = wants_color(options.color, STDOUT_FILENO);
  live.utf8 = watch::use_environment_charset();
  live.width = text_width();
  live.tool_version = kVersion;
  return live;
}

/// From --at on, or from the beginning; one screen is of --at, or of the end.
int watch_past(const Options& options, os::StopSignals& signals) {
  auto recording = open_past(options.watch.from, "");
  if (!recording) return failed(recording.error());
  watch::TravelOptions wanted;
  wanted.playing = !options.watch.at;
  if (options.watch.at || options.watch.once) {
    Result<std::size_t> start = tick_of(**recording, options.watch.at);
    if (!start) return failed(start.error());
    wanted.start = *start;
  }
  if (const std::string& damage = (*recording)->about().damage; !damage.empty()) log(LogLevel::warning, damage);
  observe::Travel travel(**recording, options.policy);
  Status status = watch::run_travel(travel, live_options(options), wanted, signals);
  return status ? exit_code_after(signals) : failed(status.error());
}

}  // namespace

int run_watch(const Options& options, os::StopSignals& signals) {
  if (!options.watch.from.empty()) return watch_past(options, signals);
  watch::Output output = output_of(options);
  auto collector = open_collector(options, {.show_all = true, .silent = output == watch::Output::screen});
  if (!collector) return failed(collector.error());
  observe::ObserverOptions wanted;
  wanted.schedule = {.interval = interval_for(options), .length = options.watch.length};
  wanted.policy = options.policy;
  wanted.findings_stand = true;
  os::RealSleepClock clock;
  observe::Observer observer(std::move(wanted), **collector, clock);

  const watch::LiveOptions live = live_options(options);
  auto complain = [](const std::string& text) { log(LogLevel::warning, text); };
  Status status = watch::run(observer, live, signals, complain);
  if (!status) return failed(status.error());
  return exit_code_after(signals);
}

}  // namespace tcpadvisor::cli
