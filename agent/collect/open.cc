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
  if (options.user_queues) {  // first of all: what programs say while the tracer loads is heard at the first tick
    auto directory = sources::user_queue_directory();
    auto receiver = directory ? sources::UserQueueReceiver::open(*directory) : std::unexpected(directory.error());
    if (receiver) parts.user_queues = std::move(*receiver);
    if (!receiver) parts.no_user_queues = receiver.error();
  }
  parts.tracer = kernel::Tracer::open(tracer_options);
  parts.clock = std::make_unique<os::RealClock>();
  if (options.drop_privileges) {
    parts.drop_privileges = kernel::drop_privileges;
  }
  return assemble(std::move(parts));
}

}  // namespace tcpadvisor::collect
