// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/worker_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "advisor/base/saturate.h"
#include "advisor/base/text.h"
#include "advisor/rules/holding.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {
namespace {

constexpr std::size_t kNamed = 3;

bool does_not_run(const OwnerTotals* worker) {
  return worker->process_state == ProcessState::stopped || worker->process_state == ProcessState::frozen;
}

std::uint64_t open_connections(const auto& sockets) {
  return std::uint64_t{sockets[index_of(TcpState::established)]} + sockets[index_of(TcpState::close_wait)];
}

/// Connections of the listener's port that somebody has accepted; more than there can be where that is not known.
std::uint64_t accepted_at(const Connections& connections, const SocketRow& listener) {
  const PortTotals* port = connections.port(listener.netns, listener.local.port);
  if (port == nullptr) return ~std::uint64_t{0};
  return sub_sat(open_connections(port->sockets), std::uint64_t{listener.accept_queue.value_or(0)});
}

/// Of the listener's port, that this process has accepted and holds.
std::uint64_t accepted_by(const Connections& connections, const SocketRow& listener, Pid pid) {
  std::uint64_t count = 0;
  for (TcpState state : {TcpState::established, TcpState::close_wait}) {
    for (const SocketRow* row : connections.held({.pid = pid}, state))
      count += row->netns == listener.netns && row->local.port == listener.local.port ? 1 : 0;
  }
  return count;
}

void lead_with(Pid pid, const std::string& comm, Scope& scope) {
  std::erase_if(scope.others, [&](const HoldingProcess& other) { return other.pid == pid; });
  scope.others.insert(scope.others.begin(), {.pid = *scope.pid, .comm = scope.comm, .fds = 1});
  scope.pid = pid;
  scope.comm = comm;
}

bool holds(const SocketRow& listener, Pid pid) {
  bool all_named = listener.others.size() + 1 >= listener.owner->holders;
  return !all_named || listener.owner->pid == pid ||
         std::ranges::find(listener.others, pid, &HoldingProcess::pid) != listener.others.end();
}

}  // namespace

bool WorkerPool::halted() const {
  return !workers.empty() && std::ranges::all_of(workers, does_not_run);
}

WorkerPool worker_pool(const Connections& connections, const SocketRow& listener) {
  WorkerPool pool;
  if (!listener.owner || listener.owner->holders < 2) return pool;
  const OwnerTotals* owner = connections.owner(listener.owner->pid);
  if (owner == nullptr) return pool;
  auto children_of = [&](Pid parent) {
    std::vector<const OwnerTotals*> out;
    for (const OwnerTotals* one : connections.children(parent)) {
      if (one->comm == owner->comm && holds(listener, one->pid)) out.push_back(one);
    }
    return out;
  };
  constexpr Pid kInit = 1;  // what it adopts has nothing in common
  pool.workers = children_of(owner->pid);
  if (pool.workers.empty() && owner->parent > kInit) pool.workers = children_of(owner->parent);
  // All who hold it must belong to the pool; the one who opened it may be its master.
  if (pool.workers.empty() || pool.workers.size() > listener.owner->holders ||
      pool.workers.size() + 1 < listener.owner->holders) {
    return {};
  }
  pool.all_taken =
      std::ranges::all_of(pool.workers, [](const OwnerTotals* one) { return open_connections(one->sockets) > 0; }) &&
      accepted_at(connections, listener) >= pool.workers.size();
  return pool;
}

std::string workers_text(const std::vector<const OwnerTotals*>& workers) {
  std::string out;
  for (std::size_t i = 0; i < std::min(kNamed, workers.size()); ++i) {
    out += fmt::format("{}{}[{}]", i == 0 ? "" : ", ", workers[i]->comm, workers[i]->pid);
  }
  if (workers.size() > kNamed) out += fmt::format(" and {} more", with_commas(workers.size() - kNamed));
  return out;
}

void say_busy(const WorkerPool& pool, Finding& finding) {
  const std::size_t count = pool.workers.size();
  const std::string are = count == 1 ? "only worker is" : fmt::format("{} workers are", with_commas(count));
  finding.title += fmt::format("; its {} busy", are);
  finding.confidence_why += "; each worker has a connection that it took before";
  Recommendation& cure = finding.recommendation;
  cure.text = fmt::format(
      "Its {} busy with connections taken before: find out what they wait for (a slow backend, a lock, a client that "
      "says nothing) and give that a time-out; or let it start more workers.",
      are);
  cure.steps.push_back(fmt::format("its workers: {}", workers_text(pool.workers)));
  cure.steps.push_back(fmt::format("see what one of them waits for: cat /proc/{0}/wchan; ss -tnp | grep 'pid={0},'",
                                   pool.workers.front()->pid));
}

void say_own_limit(const Connections& connections, const SocketRow& listener, Finding& finding) {
  const std::uint64_t open = accepted_at(connections, listener);
  if (open == 0 || open == ~std::uint64_t{0}) return;
  finding.meaning += fmt::format(
      " It has {} open that it took before: if that is a limit of its own (maxconn, a pool of threads, a semaphore), "
      "it "
      "lets the others wait on purpose.",
      counted(open, "connection"));
  finding.recommendation.steps.push_back(
      fmt::format("at a limit of its own: raise it, or end those of the {} that say nothing (an idle time-out)",
                  counted(open, "open connection")));
}

void name_worker(const WorkerPool& pool, Scope& scope) {
  const OwnerTotals& first = *pool.workers.front();
  if (!scope.pid || *scope.pid == first.pid) return;
  lead_with(first.pid, first.comm, scope);
}

void name_acceptor(const Connections& connections, const SocketRow& listener, Scope& scope) {
  if (!scope.pid || !listener.owner || listener.others.empty()) return;
  if (accepted_by(connections, listener, listener.owner->pid) > 0) return;
  const HoldingProcess* acceptor = nullptr;
  std::uint64_t most = 0;
  for (const HoldingProcess& other : listener.others) {
    if (other.comm == scope.comm) continue;
    const std::uint64_t accepted = accepted_by(connections, listener, other.pid);
    if (accepted <= most) continue;
    most = accepted;
    acceptor = &other;
  }
  if (acceptor != nullptr) lead_with(acceptor->pid, acceptor->comm, scope);
}

}  // namespace tcpadvisor
