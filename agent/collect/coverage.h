// SPDX-License-Identifier: Apache-2.0
// Which source each fact comes from, as told to the user and to the rules. Pure.
#pragma once

#include <string>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/collect/collector.h"

namespace tcpadvisor::collect {

enum class SnapshotSource { none, iter_tcp, sock_diag, proc_net_tcp };
enum class OwnerSource { none, iter_task_file, proc_fd };

/// What the collector knows about its own facts. Attempts are listed best first.
struct OwnFacts {
  std::vector<Attempt> snapshot, owners, namespaces, cgroups, user_queues;
  bool owners_from_rows = false;  ///< per process only the sockets with a row of their own are counted
  std::uint64_t unreadable_processes = 0;
  std::string counters_problem, settings_problem, memory_problem;  ///< empty: read
  bool counters_read = true, settings_read = true, memory_read = true;
  std::string namespaces_remark, cgroups_remark, user_queues_remark;
};

/// The source of the first attempt that works, "" if none does.
std::string first_working(const std::vector<Attempt>& attempts);
SnapshotSource snapshot_source(const OwnFacts& facts);
OwnerSource owner_source(const OwnFacts& facts);

Attempt works(std::string source);
Attempt works_not(std::string source, std::string why_not, std::string cure = "", int sys_errno = 0);
/// What a failed try says, with the cure that its error code suggests.
Attempt works_not(std::string source, const Error& error, std::string cure);

/// The attempts for snapshot or owners: those of the tracer, then the ones that need no BPF, as far as `sources` allows
/// them.
std::vector<Attempt> rank_attempts(const std::vector<FactCoverage>& of_tracer, std::string_view fact, Sources sources,
                                   std::vector<Attempt> without_bpf);

/// All facts in the order of doctor: the tracer's, then ours.
std::vector<FactCoverage> cover(const std::vector<FactCoverage>& of_tracer, const OwnFacts& own);

}  // namespace tcpadvisor::collect
