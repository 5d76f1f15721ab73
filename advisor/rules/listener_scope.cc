// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/listener_scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "advisor/base/managers.h"
#include "advisor/rules/safe_steps.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {

const SocketRow* listener_of(const Connections& connections, NetnsId netns, const Endpoint& local) {
  auto rank = [&](const SocketRow& row) {
    int fit = row.local == local ? 3 : !row.local.is_unspecified() ? 0 : row.local.v6 == local.v6 ? 2 : 1;
    return std::pair(fit, row.accept_queue.value_or(0));
  };
  const SocketRow* best = nullptr;
  for (const SocketRow* row : connections.listeners(netns, local.port)) {
    if (rank(*row).first > 0 && (best == nullptr || rank(*row) > rank(*best))) best = row;
  }
  return best;
}

std::string port_text(const SocketRow& listener) {
  return fmt::format("port {}", listener.local.port);
}

std::string step_to_see_why(const SocketRow& listener) {
  if (!listener.owner) return fmt::format("see who holds it: ss -ltnp 'sport = :{}'", listener.local.port);
  if (listener.owner->holders > 1) {
    return fmt::format("several may hold it, see which one should accept: ss -ltnp 'sport = :{}'", listener.local.port);
  }
  return step_to_see_what_it_does(StepTarget::of(*listener.owner));
}

bool service_is_missing(const SocketRow& listener) {
  if (!listener.owner || listener.owner->holders != 1) return false;
  // By its name alone: process 1 of a container is the program itself. An inetd accepts for its services.
  return is_manager(0, listener.owner->comm) && !listener.owner->comm.ends_with("inetd");
}

void say_service_is_missing(const Sample& sample, const SocketRow& listener, Finding& finding) {
  const std::string port = port_text(listener), manager = process_text(finding.scope);
  finding.title =
      fmt::format("The service of {} does not run: {} holds the listener for it, and nobody accepts", port, manager);
  finding.meaning += fmt::format(
      " {} opened the listener (socket activation) and starts the service when somebody "
      "comes; the service ended at once, or is not started any more.",
      manager);
  Recommendation& cure = finding.recommendation;
  cure.text =
      "Start the service that belongs to this listener, and find out why it does not stay. Leave the manager alone.";
  cure.steps = {
      fmt::format("which one it is: systemctl list-sockets | grep {}", listener.local.port),
      "why it ended: systemctl status UNIT; journalctl -u UNIT; after too many starts: systemctl reset-failed UNIT",
      fmt::format("who holds the listener: {}ss -ltnp 'sport = :{}'", in_netns(sample, listener.netns),
                  listener.local.port)};
}

Scope scope_of_listener(const Sample& sample, const SocketRow& listener) {
  Scope scope;
  scope.kind = ScopeKind::listener;
  scope.netns = listener.netns;
  scope.netns_name = netns_name(sample, listener.netns);
  scope.cgroup = listener.cgroup;
  scope.local = listener.local.text();
  scope.count = 1;
  const SocketRow* const rows[] = {&listener};
  name_holder(scope, rows);
  if (listener.owner) scope.sharing = listener.owner->holders - 1;
  return scope;
}

std::vector<const OwnerTotals*> affected_workers(const Sample& sample, const SocketRow& listener,
                                                 const std::function<bool(Pid)>& affected) {
  if (!listener.owner || listener.others.empty() || listener.others.size() + 1 < listener.owner->holders) return {};
  std::vector<const OwnerTotals*> out, rest;
  auto sort_in = [&](Pid pid) {
    const OwnerTotals* owner = sample.find_owner(pid);
    if (owner != nullptr) (affected(pid) ? out : rest).push_back(owner);
    return owner != nullptr;
  };
  bool known = sort_in(listener.owner->pid);
  for (const HoldingProcess& other : listener.others) known = sort_in(other.pid) && known;
  const bool only_parents = std::ranges::all_of(rest, [&](const OwnerTotals* parent) {
    return std::ranges::any_of(out, [&](const OwnerTotals* one) { return one->parent == parent->pid; });
  });
  if (!known || !only_parents) out.clear();
  return out;
}

}  // namespace tcpadvisor
