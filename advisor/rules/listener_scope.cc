// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/listener_scope.h"

#include "advisor/rules/words.h"

namespace tcpadvisor {

const SocketRow* listener_of(const Connections& connections, NetnsId netns, std::uint16_t port) {
  const SocketRow* best = nullptr;
  for (const SocketRow* row : connections.listeners(netns, port)) {
    if (best == nullptr || row->accept_queue.value_or(0) > best->accept_queue.value_or(0)) best = row;
  }
  return best;
}

Scope scope_of_listener(const Sample& sample, const SocketRow& listener) {
  Scope scope;
  scope.kind = ScopeKind::listener;
  scope.netns = listener.netns;
  scope.netns_name = netns_name(sample, listener.netns);
  scope.cgroup = listener.cgroup;
  scope.local = listener.local.text();
  scope.count = 1;
  if (listener.owner) {
    scope.pid = listener.owner->pid;
    scope.comm = listener.owner->comm;
  }
  return scope;
}

}  // namespace tcpadvisor
