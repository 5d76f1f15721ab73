// SPDX-License-Identifier: Apache-2.0
// The only place where a tick meets the real kernel; everything else in this room takes a Tracer that it is given.
#include <linux/capability.h>

#include <algorithm>

#include "agent/collect/host_collector.h"
#include "agent/kernel/privileges.h"

namespace tcpadvisor::collect {
namespace {

std::vector<int> capabilities_for(const Needs& needs, bool others_read_kernel, bool writes) {
  std::vector<int> wanted;
  if (needs.other_netns) wanted.insert(wanted.end(), {CAP_SYS_ADMIN, CAP_SYS_PTRACE});
  if (needs.descriptors) wanted.insert(wanted.end(), {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE});
  if (!others_read_kernel) wanted.push_back(CAP_BPF);
  if (writes) wanted.insert(wanted.end(), {CAP_DAC_OVERRIDE, CAP_FOWNER});
  return wanted;
}

std::string directory_of(const std::string& path) {
  return path.substr(0, path.find_last_of('/'));
}

}  // namespace

Result<std::unique_ptr<Collector>> Collector::open(const CollectorOptions& options) {
  kernel::TracerOptions tracer_options;
  tracer_options.hooks = options.hooks;
  tracer_options.calls = options.calls;
  tracer_options.drops = options.drops;
  tracer_options.iterators = options.sources == Sources::any || options.sources == Sources::bpf;
  // The walk comes by in the order of the kernel's hash: what it hands over must be more than what is kept, or chance
  // would choose. RowKeeper keeps what matters most.
  tracer_options.max_rows = std::max(tracer_options.max_rows, options.max_rows);

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
  if (!options.guard) return assemble(std::move(parts));

  LookerOptions wanted{.capabilities = {}, .writable = options.writable, .may_write = options.looker_writes};
  if (parts.user_queues) wanted.writable.push_back(directory_of(parts.user_queues->path()));
  parts.guard = [wanted](kernel::Tracer& tracer, const Needs& needs) mutable -> Result<Guarded> {
    bool others_read_kernel = kernel::readable_without_capabilities(tracer);
    wanted.capabilities = capabilities_for(needs, others_read_kernel, wanted.may_write);
    auto looker = Looker::start(wanted);
    if (!looker) return std::unexpected(looker.error());
    std::string kept = (*looker)->kept();
    return Guarded{std::move(*looker), std::move(kept), others_read_kernel};
  };
  return assemble(std::move(parts));
}

}  // namespace tcpadvisor::collect
