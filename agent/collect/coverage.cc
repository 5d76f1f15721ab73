// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/coverage.h"

#include <fmt/format.h>

#include <algorithm>

namespace tcpadvisor::collect {
namespace {

constexpr std::string_view kIterTcp = "iter/tcp", kSockDiag = "sock_diag", kProcNetTcp = "/proc/net/tcp";
constexpr std::string_view kIterTaskFile = "iter/task_file", kProcFd = "/proc/*/fd";

/// How well a source of the snapshot gives one of the facts that come with it.
struct Quality {
  std::string_view why_not;  ///< not empty: it does not give it
  std::string_view remark;   ///< not empty: not exactly
};
struct DerivedFact {
  std::string_view name;
  Quality iter_tcp, sock_diag, proc_net_tcp;
};
constexpr std::string_view kNoColumn = "/proc/net/tcp has no such column";
const DerivedFact kDerived[] = {
    {"accept-queue", {}, {}, {"", "the length of the queue without its limit"}},
    {"buffer-locks", {}, {"inet_diag does not carry SO_SNDBUF and SO_RCVBUF locks", ""}, {kNoColumn, ""}},
    {"socket-memory", {}, {}, {kNoColumn, ""}},
    {"tcp-info", {}, {}, {kNoColumn, ""}},
};

FactCoverage fact_from(std::string name, std::vector<Attempt> attempts) {
  FactCoverage fact;
  fact.fact = std::move(name);
  fact.in_use = first_working(attempts);
  fact.attempts = std::move(attempts);
  return fact;
}

FactCoverage derive(const DerivedFact& derived, const std::vector<Attempt>& snapshot) {
  FactCoverage fact;
  fact.fact = derived.name;
  for (Attempt attempt : snapshot) {
    const Quality& quality = attempt.source == kIterTcp    ? derived.iter_tcp
                             : attempt.source == kSockDiag ? derived.sock_diag
                                                           : derived.proc_net_tcp;
    if (!quality.why_not.empty()) attempt = works_not(attempt.source, std::string(quality.why_not));
    // Only the source that makes the snapshot delivers; a better one that works is then the one in use anyway.
    if (attempt.works && fact.in_use.empty() && attempt.source == first_working(snapshot)) {
      fact.in_use = attempt.source;
      fact.exact = quality.remark.empty();
      fact.remark = quality.remark;
    }
    fact.attempts.push_back(std::move(attempt));
  }
  return fact;
}

FactCoverage read_from(std::string name, std::string source, bool read, const std::string& problem) {
  FactCoverage fact;
  fact.fact = std::move(name);
  if (read) fact.in_use = source;
  fact.exact = read && problem.empty();
  fact.remark = problem;
  fact.attempts.push_back(read ? works(std::move(source)) : works_not(std::move(source), problem));
  return fact;
}

/// What a snapshot without BPF, and /proc, still say about a fact that the tracer could not get.
FactCoverage help_out(FactCoverage fact, const OwnFacts& own) {
  auto use = [&fact](std::string source, bool exact, std::string remark) {
    auto tried = std::ranges::find(fact.attempts, source, &Attempt::source);
    if (tried == fact.attempts.end()) tried = fact.attempts.insert(tried, Attempt{});
    *tried = works(source);
    fact.in_use = std::move(source);
    fact.exact = exact;
    fact.remark = std::move(remark);
  };
  if (!fact.in_use.empty()) return fact;
  bool snapshot = !first_working(own.snapshot).empty();
  if (fact.fact == "state-changes" && snapshot) {
    use("age from the snapshot", false, "ages are lower bounds, short connections are missed");
  } else if (fact.fact == "accept-peak" && snapshot) {
    use("sampled accept queue", false, "sampled at each snapshot: a short peak between two may be missed");
  } else if (fact.fact == "pressure" && own.memory_read) {
    use("/proc/net/protocols", false, "whether there is pressure, not since when");
  }
  return fact;
}

FactCoverage owners_fact(const OwnFacts& own) {
  FactCoverage fact = fact_from("owners", own.owners);
  if (fact.in_use != kProcFd) return fact;
  fact.remark = "sockets that are closed but still held are not visible";
  if (own.owners_from_rows) {
    fact.exact = false;
    fact.remark += "; per process only the sockets that matter are counted";
  }
  if (own.unreadable_processes > 0) {
    fact.exact = false;
    fact.remark = fmt::format("{} processes not readable: needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; {}",
                              own.unreadable_processes, fact.remark);
  }
  return fact;
}

}  // namespace

Attempt works(std::string source) {
  return {.source = std::move(source), .works = true, .why_not = "", .cure = ""};
}

Attempt works_not(std::string source, std::string why_not, std::string cure, int sys_errno) {
  return {std::move(source), false, std::move(why_not), std::move(cure), sys_errno};
}

Attempt works_not(std::string source, const Error& error, std::string cure) {
  return works_not(std::move(source), error.message, error.code == ErrorCode::denied ? std::move(cure) : "",
                   error.sys_errno);
}

std::string first_working(const std::vector<Attempt>& attempts) {
  auto at = std::ranges::find(attempts, true, &Attempt::works);
  return at == attempts.end() ? "" : at->source;
}

SnapshotSource snapshot_source(const OwnFacts& facts) {
  std::string source = first_working(facts.snapshot);
  if (source == kSockDiag) return SnapshotSource::sock_diag;
  if (source == kProcNetTcp) return SnapshotSource::proc_net_tcp;
  return source.empty() ? SnapshotSource::none : SnapshotSource::iter_tcp;
}

OwnerSource owner_source(const OwnFacts& facts) {
  std::string source = first_working(facts.owners);
  if (source == kProcFd) return OwnerSource::proc_fd;
  return source.empty() ? OwnerSource::none : OwnerSource::iter_task_file;
}

std::vector<Attempt> rank_attempts(const std::vector<FactCoverage>& of_tracer, std::string_view fact, Sources sources,
                                   std::vector<Attempt> without_bpf) {
  std::vector<Attempt> ranked;
  auto at = std::ranges::find(of_tracer, fact, &FactCoverage::fact);
  if (at != of_tracer.end()) ranked = at->attempts;
  std::ranges::move(without_bpf, std::back_inserter(ranked));
  for (Attempt& attempt : ranked) {
    bool bpf = attempt.source == kIterTcp || attempt.source == kIterTaskFile;
    bool wanted = sources == Sources::any || (sources == Sources::bpf && bpf) ||
                  (sources == Sources::netlink && (attempt.source == kSockDiag || attempt.source == kProcFd)) ||
                  (sources == Sources::procfs && (attempt.source == kProcNetTcp || attempt.source == kProcFd));
    if (!wanted && attempt.works) attempt = works_not(attempt.source, "not used: --sources chose another way");
  }
  return ranked;
}

std::vector<FactCoverage> cover(const std::vector<FactCoverage>& of_tracer, const OwnFacts& own) {
  std::vector<FactCoverage> all;
  for (const FactCoverage& fact : of_tracer) {
    if (fact.fact != "snapshot" && fact.fact != "owners") all.push_back(help_out(fact, own));
  }
  all.push_back(fact_from("snapshot", own.snapshot));
  all.push_back(owners_fact(own));
  for (const DerivedFact& derived : kDerived) all.push_back(derive(derived, own.snapshot));
  all.push_back(read_from("counters", "/proc/net/netstat, snmp", own.counters_read, own.counters_problem));
  all.push_back(read_from("settings", "/proc/sys/net", own.settings_read, own.settings_problem));
  all.push_back(read_from("memory", "/proc/net/sockstat, protocols", own.memory_read, own.memory_problem));
  all.push_back(fact_from("cgroups", own.cgroups));
  all.back().remark = own.cgroups_remark;
  all.push_back(fact_from("namespaces", own.namespaces));
  all.back().remark = own.namespaces_remark;
  all.push_back(fact_from("user-queues", own.user_queues));
  all.back().remark = own.user_queues_remark;
  return all;
}

}  // namespace tcpadvisor::collect
