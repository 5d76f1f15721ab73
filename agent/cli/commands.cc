// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/commands.h"

#include <string>
#include <utility>

#include "agent/cli/log.h"
#include "agent/cli/output.h"

namespace tcpadvisor::cli {

Result<std::unique_ptr<collect::Collector>> open_collector(const Options& options, CollectorNeeds needs) {
  collect::CollectorOptions wanted = options.collector;
  wanted.interval = interval_for(options);
  wanted.old_age = options.policy.age;
  wanted.show_all = needs.show_all;
  if (!needs.output.empty()) {
    wanted.looker_writes = needs_privileges_to_write(needs.output);
    wanted.writable = {place_of_writing(needs.output)};
  }
  if (!needs.silent) wanted.complain = [](const std::string& text) { log(LogLevel::warning, text); };
  auto collector = collect::Collector::open(wanted);
  if (!collector && collector.error().code == ErrorCode::denied) {
    Error error = collector.error();
    bool says_what_would_do =
        error.message.find("CAP_") != std::string::npos || error.message.find("root") != std::string::npos;
    if (!says_what_would_do) error.message += "; root may do that, or look only at your own namespace";
    return std::unexpected(std::move(error));
  }
  return collector;
}

int exit_code_after(os::StopSignals& signals) {
  int number = signals.received();
  return number != 0 ? 128 + number : 0;
}

}  // namespace tcpadvisor::cli
