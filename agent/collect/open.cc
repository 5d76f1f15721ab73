// SPDX-License-Identifier: Apache-2.0
// The only place where a tick meets the real kernel; everything else in this room takes a Tracer that it is given.
#include "agent/collect/host_collector.h"

namespace tcpadvisor::collect {

Result<std::unique_ptr<Collector>> Collector::open(const CollectorOptions& options) {
  kernel::TracerOptions tracer_options;
  tracer_options.hooks = options.hooks;
  tracer_options.calls = options.calls;
  tracer_options.iterators = options.sources == Sources::any || options.sources == Sources::bpf;
  tracer_options.max_rows = options.max_rows;

  Parts parts;
  parts.options = options;
  parts.tracer = kernel::Tracer::open(tracer_options);
  parts.clock = std::make_unique<os::RealClock>();
  if (options.drop_privileges) {
    parts.drop_privileges = [](kernel::Tracer& tracer, bool keep_netns) -> Status {
      auto kept = kernel::drop_privileges(tracer, keep_netns);
      if (!kept) return std::unexpected(kept.error());
      return {};
    };
  }
  return assemble(std::move(parts));
}

}  // namespace tcpadvisor::collect
