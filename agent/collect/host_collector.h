// SPDX-License-Identifier: Apache-2.0
// The one Collector: put together from parts, so that tests can give it a tree of fixtures, a tracer and a clock of
// their own.
#pragma once

#include <functional>
#include <memory>

#include "agent/collect/collector.h"
#include "agent/collect/looker.h"
#include "agent/collect/user_queue_book.h"
#include "agent/os/clock.h"
#include "agent/os/proc_root.h"
#include "agent/sources/user_queue_socket.h"

namespace tcpadvisor::collect {

/// What ticks need privileges for.
struct Needs {
  bool other_netns = false;  ///< enter network namespaces, and find those that appear later
  bool descriptors = false;  ///< look at what every process holds open
};
struct Guarded {
  std::unique_ptr<Looker> looker;  ///< whose thread makes the ticks; null: the caller of tick()
  std::string kept;                ///< in words
  bool others_read_kernel = true;  ///< threads without privileges can run the kernel's walks
};

struct Parts {
  CollectorOptions options;
  std::unique_ptr<kernel::Tracer> tracer;
  std::unique_ptr<os::Clock> clock;
  os::ProcRoot root;
  /// Called once, when everything is open and before the first thread starts: gives up privileges. Empty: keep all.
  std::function<Result<Guarded>(kernel::Tracer&, const Needs&)> guard;
  /// Where programs say what they have queued; null: nowhere, and `no_user_queues` says why.
  std::unique_ptr<sources::UserQueueReceiver> user_queues;
  Error no_user_queues{ErrorCode::unsupported, "not asked for", 0};
  FindSockets find_sockets = find_by_sock_diag();
};

Result<std::unique_ptr<Collector>> assemble(Parts parts);

}  // namespace tcpadvisor::collect
