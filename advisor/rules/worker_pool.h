// SPDX-License-Identifier: Apache-2.0
// A pre-forked server: processes of one program that take connections from one listener, each one at a time or some.
#pragma once

#include <string>
#include <vector>

#include "advisor/evidence/connections.h"
#include "advisor/rules/finding.h"

namespace tcpadvisor {

struct WorkerPool {
  std::vector<const OwnerTotals*> workers = {};  ///< by pid; empty if the listener is not shared in this way
  bool all_taken = false;                        ///< each has a connection of its own, and the port has as many
  bool busy() const { return all_taken && !halted(); }
  bool halted() const;  ///< no worker runs at all
};

/// The children of one process that share a listener with it, or with each other.
WorkerPool worker_pool(const Connections& connections, const SocketRow& listener);
/// "php-fpm[12], php-fpm[13] and 7 more".
std::string workers_text(const std::vector<const OwnerTotals*>& workers);
/// What a full pool makes of a finding about the listener's queue: the cure lies in what its workers wait for.
void say_busy(const WorkerPool& pool, Finding& finding);
/// A program that has connections open which it took before may have a limit of its own (maxconn, a pool of threads).
void say_own_limit(const Connections& connections, const SocketRow& listener, Finding& finding);
/// Names a worker instead of who merely holds the listener for them.
void name_worker(const WorkerPool& pool, Scope& scope);
/// A listener may be held by programs that inherited it and never accept. Where the one that is named has taken nothing
/// from its port, and another of another name has, that one is meant.
void name_acceptor(const Connections& connections, const SocketRow& listener, Scope& scope);

}  // namespace tcpadvisor
