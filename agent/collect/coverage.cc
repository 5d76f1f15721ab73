// SPDX-License-Identifier: Apache-2.0
#include "agent/collect/coverage.h"

#include <fmt/format.h>

#include <algorithm>

namespace tcpadvisor::collect {
namespace {

/// How well a source of the snapshot gives one of the facts that come with it.
struct Quality {
  std::string_view why_not;  ///< not empty: it does not give it
  std::string_view remark;   ///< not empty: not exactly
};
struct DerivedFact {
  FactId id;
  Quality iter_tcp, sock_diag, proc_net_tcp;
};
constexpr std::string_view kNoColumn = "/proc/net/tcp has no such column";
const DerivedFact kDerived[] = {
    {FactId::accept_queue, {}, {}, {"", "the length of the queue without its limit"}},
    {FactId::buffer_locks, {}, {"inet_diag does not carry SO_SNDBUF and SO_RCVBUF locks", ""}, {kNoColumn, ""}},
    {FactId::socket_memory, {}, {}, {kNoColumn, ""}},
    {FactId::tcp_info, {}, {}, {kNoColumn, ""}},
};

void put_in_use(FactCoverage& fact, const Attempt& attempt) {
  fact.in_use = attempt.source;
  fact.kind = attempt.kind;
}

FactCoverage fact_from(FactId id, std::vector<Attempt> attempts) {
  FactCoverage fact;
  fact.fact = id;
  if (const Attempt* first = first_working(attempts)) put_in_use(fact, *first);
  fact.attempts = std::move(attempts);
  return fact;
}

FactCoverage derive(const DerivedFact& derived, const std::vector<Attempt>& snapshot) {
  FactCoverage fact;
  fact.fact = derived.id;
  for (Attempt attempt : snapshot) {
    const Quality& quality = attempt.kind == SourceKind::iter_tcp    ? derived.iter_tcp
                             : attempt.kind == SourceKind::sock_diag ? derived.sock_diag
                                                                     : derived.proc_net_tcp;
    if (!quality.why_not.empty()) attempt = works_not(attempt.kind, std::string(quality.why_not));
    // Only the source that makes the snapshot delivers; a better one that works is then the one in use anyway.
    if (attempt.works() && fact.in_use.empty() && attempt.kind == kind_in_use(snapshot)) {
      put_in_use(fact, attempt);
      fact.exact = quality.remark.empty();
      fact.remark = quality.remark;
    }
    fact.attempts.push_back(std::move(attempt));
  }
  return fact;
}

FactCoverage read_from(FactId id, std::string source, bool read, const std::string& problem) {
  Attempt attempt = read ? works(source, SourceKind::proc_file) : works_not(source, problem);
  attempt.kind = SourceKind::proc_file;
  FactCoverage fact = fact_from(id, {std::move(attempt)});
  fact.exact = read && problem.empty();
  fact.remark = problem;
  return fact;
}

/// What a snapshot without BPF, and /proc, still say about a fact that the tracer could not get.
FactCoverage help_out(FactCoverage fact, const OwnFacts& own) {
  auto use = [&fact](Attempt way, bool exact, std::string remark) {
    auto tried = std::ranges::find(fact.attempts, way.kind, &Attempt::kind);
    if (tried == fact.attempts.end()) tried = fact.attempts.insert(tried, Attempt{});
    *tried = std::move(way);
    put_in_use(fact, *tried);
    fact.exact = exact;
    fact.remark = std::move(remark);
  };
  if (!fact.in_use.empty()) return fact;
  bool snapshot = first_working(own.snapshot) != nullptr;
  if (fact.fact == FactId::state_changes && snapshot) {
    use(works("age from the snapshot", SourceKind::derived), false,
        "ages are lower bounds, short connections are missed");
  } else if (fact.fact == FactId::accept_peak && snapshot) {
    use(works("sampled accept queue", SourceKind::derived), false,
        "sampled at each snapshot: a short peak between two may be missed");
  } else if (fact.fact == FactId::connects && snapshot) {
    use(works("SYN_SENT in the snapshot, Tcp.AttemptFails", SourceKind::derived), false,
        "only attempts that wait now; how others failed, and whose, is not seen");
  } else if (fact.fact == FactId::retransmits) {
    use(works("/proc/net/netstat", SourceKind::proc_file), false, "by namespace, not by destination");
  } else if (fact.fact == FactId::pressure && own.memory_read) {
    use(works("/proc/net/protocols", SourceKind::proc_file), false, "whether there is pressure, not since when");
  }
  return fact;
}

/// Who cannot see what the hooks on every call cost must not rely on their being switched off in time.
FactCoverage with_cost(FactCoverage fact, const OwnFacts& own) {
  const bool may_stop = fact.fact == FactId::calls || fact.fact == FactId::drops;
  if (!may_stop || fact.kind != SourceKind::hook || own.hooks_not_measured.empty()) return fact;
  fact.remark += fmt::format("{}its cost cannot be measured ({}), so --{} auto never switches it off",
                             fact.remark.empty() ? "" : "; ", own.hooks_not_measured, name_of(fact.fact));
  return fact;
}

FactCoverage owners_fact(const OwnFacts& own) {
  FactCoverage fact = fact_from(FactId::owners, own.owners);
  if (fact.kind != SourceKind::proc_fd) return fact;
  fact.remark = "sockets that are closed but still held are not visible";
  if (kind_in_use(own.snapshot) == SourceKind::iter_tcp) {  // which writes rows for those only
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

Attempt works(std::string source, SourceKind kind) {
  return {.source = std::move(source), .kind = kind, .outcome = AttemptOutcome::works, .why_not = "", .cure = ""};
}

Attempt works(SourceKind kind) {
  return works(std::string(name_of(kind)), kind);
}

Attempt works_not(std::string source, std::string why_not, std::string cure, int sys_errno) {
  return {.source = std::move(source), .why_not = std::move(why_not), .cure = std::move(cure), .sys_errno = sys_errno};
}

Attempt works_not(SourceKind kind, std::string why_not, std::string cure, int sys_errno) {
  Attempt attempt = works_not(std::string(name_of(kind)), std::move(why_not), std::move(cure), sys_errno);
  attempt.kind = kind;
  return attempt;
}

Attempt works_not(std::string source, const Error& error, std::string cure) {
  return works_not(std::move(source), error.message, error.code == ErrorCode::denied ? std::move(cure) : "",
                   error.sys_errno);
}

Attempt works_not(SourceKind kind, const Error& error, std::string cure) {
  Attempt attempt = works_not(std::string(name_of(kind)), error, std::move(cure));
  attempt.kind = kind;
  return attempt;
}

const Attempt* first_working(const std::vector<Attempt>& attempts) {
  auto at = std::ranges::find_if(attempts, &Attempt::works);
  return at == attempts.end() ? nullptr : &*at;
}

SourceKind kind_in_use(const std::vector<Attempt>& attempts) {
  const Attempt* first = first_working(attempts);
  return first == nullptr ? SourceKind::none : first->kind;
}

namespace {

bool wanted(SourceKind kind, Sources sources) {
  switch (kind) {
    case SourceKind::iter_tcp:
    case SourceKind::iter_task_file:
      return sources == Sources::any || sources == Sources::bpf;
    case SourceKind::sock_diag:
      return sources == Sources::any || sources == Sources::netlink;
    case SourceKind::proc_net_tcp:
      return sources == Sources::any || sources == Sources::procfs;
    case SourceKind::proc_fd:
      return sources != Sources::bpf;
    default:
      return sources == Sources::any;
  }
}

}  // namespace

std::vector<Attempt> rank_attempts(const std::vector<FactCoverage>& of_tracer, FactId fact, Sources sources,
                                   std::vector<Attempt> without_bpf) {
  std::vector<Attempt> ranked;
  auto at = std::ranges::find(of_tracer, fact, &FactCoverage::fact);
  if (at != of_tracer.end()) ranked = at->attempts;
  std::ranges::move(without_bpf, std::back_inserter(ranked));
  for (Attempt& attempt : ranked) {
    if (attempt.works() && !wanted(attempt.kind, sources)) {
      attempt = works_not(attempt.kind, "not used: --sources chose another way");
      attempt.outcome = AttemptOutcome::not_wanted;
    }
  }
  return ranked;
}

std::vector<FactCoverage> cover(const std::vector<FactCoverage>& of_tracer, const OwnFacts& own) {
  std::vector<FactCoverage> all;
  for (const FactCoverage& fact : of_tracer) {
    if (fact.fact != FactId::snapshot && fact.fact != FactId::owners)
      all.push_back(with_cost(help_out(fact, own), own));
  }
  all.push_back(fact_from(FactId::snapshot, own.snapshot));
  all.push_back(owners_fact(own));
  for (const DerivedFact& derived : kDerived) all.push_back(derive(derived, own.snapshot));
  all.push_back(read_from(FactId::counters, "/proc/net/netstat, snmp", own.counters_read, own.counters_problem));
  if (!own.devices_problem.empty() && all.back().remark.empty())
    all.back().remark = "not what devices drop: " + own.devices_problem;
  all.push_back(read_from(FactId::settings, "/proc/sys/net", own.settings_read, own.settings_problem));
  all.push_back(read_from(FactId::memory, "/proc/net/sockstat, protocols", own.memory_read, own.memory_problem));
  all.push_back(fact_from(FactId::cgroups, own.cgroups));
  all.back().remark = own.cgroups_remark;
  all.push_back(fact_from(FactId::namespaces, own.namespaces));
  all.back().remark = own.namespaces_remark;
  all.push_back(fact_from(FactId::conntrack, own.conntrack));
  all.back().remark = own.conntrack_remark;
  all.push_back(fact_from(FactId::softnet, own.softnet));
  all.push_back(fact_from(FactId::host_pressure, own.host_pressure));
  all.back().remark = own.host_pressure_remark;
  all.push_back(fact_from(FactId::user_queues, own.user_queues));
  all.back().remark = own.user_queues_remark;
  return all;
}

}  // namespace tcpadvisor::collect
