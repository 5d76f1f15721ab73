// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/commands.h"

namespace tcpadvisor::cli {

Result<std::unique_ptr<collect::Collector>> open_collector(const Options& options, CollectorNeeds needs) {
  collect::CollectorOptions wanted = options.collector;
  wanted.interval = interval_for(options);
  wanted.old_age = options.policy.age;
  wanted.show_all = needs.show_all;
  wanted.drop_privileges = !needs.keep_privileges;
  return collect::Collector::open(wanted);
}

int exit_code_after(os::StopSignals& signals) {
  int number = signals.received();
  return number != 0 ? 128 + number : 0;
}

}  // namespace tcpadvisor::cli
