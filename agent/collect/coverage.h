// SPDX-License-Identifier: Apache-2.0
// Which source each fact comes from, as told to the user and to the rules. Pure.
#pragma once

#include <string>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/collect/collector.h"

namespace tcpadvisor::collect {

/// What the collector knows about its own facts. Attempts are listed best first.
struct OwnFacts {
  std::vector<Attempt> snapshot, owners, namespaces, cgroups, user_queues, conntrack, softnet, host_pressure;
  std::uint64_t unreadable_processes = 0;
  std::string hooks_not_measured;                                  ///< why; empty: they can be
  std::string counters_problem, settings_problem, memory_problem;  ///< empty: read
  std::string devices_problem;                                     ///< empty: read, with the counters
  bool counters_read = true, settings_read = true, memory_read = true;
  std::string namespaces_remark, cgroups_remark, user_queues_remark, conntrack_remark, host_pressure_remark;
};

/// Null if none works.
const Attempt* first_working(const std::vector<Attempt>& attempts);
SourceKind kind_in_use(const std::vector<Attempt>& attempts);  ///< of the first that works

Attempt works(std::string source, SourceKind kind = SourceKind::none);
Attempt works(SourceKind kind);
Attempt works_not(std::string source, std::string why_not, std::string cure = "", int sys_errno = 0);
Attempt works_not(SourceKind kind, std::string why_not, std::string cure = "", int sys_errno = 0);
/// What a failed try says, with the cure that its error code suggests.
Attempt works_not(std::string source, const Error& error, std::string cure);
Attempt works_not(SourceKind kind, const Error& error, std::string cure);

/// The attempts for snapshot or owners: those of the tracer, then the ones that need no BPF, as far as `sources` allows
/// them.
std::vector<Attempt> rank_attempts(const std::vector<FactCoverage>& of_tracer, FactId fact, Sources sources,
                                   std::vector<Attempt> without_bpf);

/// All facts in the order of doctor: the tracer's, then ours.
std::vector<FactCoverage> cover(const std::vector<FactCoverage>& of_tracer, const OwnFacts& own);

}  // namespace tcpadvisor::collect
