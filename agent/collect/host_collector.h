// SPDX-License-Identifier: Apache-2.0
// The one Collector: put together from parts, so that tests can give it a tree of fixtures, a tracer and a clock of
// their own.
#pragma once

#include <functional>
#include <memory>

#include "agent/collect/collector.h"
#include "agent/os/clock.h"
#include "agent/os/proc_root.h"

namespace tcpadvisor::collect {

struct Parts {
  CollectorOptions options;
  std::unique_ptr<kernel::Tracer> tracer;
  std::unique_ptr<os::Clock> clock;
  os::ProcRoot root;
  /// Gives up privileges once everything is open; `keep_netns` as in kernel::drop_privileges. Empty: keep all.
  std::function<Status(kernel::Tracer&, bool keep_netns)> drop_privileges;
};

Result<std::unique_ptr<Collector>> assemble(Parts parts);

}  // namespace tcpadvisor::collect
