// SPDX-License-Identifier: Apache-2.0
// Who is whose other end, who holds what, and who speaks for it: looked up once per tick, asked by rules, verdict and
// screen. Pure.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "advisor/evidence/past.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor {

using Rows = std::span<const SocketRow* const>;

/// Refers to a sample, which must outlive it. Each question costs a binary search.
///
/// The other end of a connection is the socket whose addresses and ports mirror it, in the same network namespace. If
/// there is none, it is the only such socket of the other namespaces of this host, unless
///  - the addresses are loopback, which never leaves its namespace, or
///  - several other namespaces have such a socket, or another one has a twin of this end, with the same addresses: then
///    nobody can tell which belongs to which, and there is no other end.
/// Where a namespace has several sockets of one connection (a request and its child), the full one counts.
class Connections {
 public:
  Connections() = default;
  Connections(const Sample& sample);  // NOLINT: a sample has exactly these connections

  const SocketRow* other_end(const SocketRow& row) const;    ///< null if it is not on this host, or not sure
  const SocketRow* other_end(const UserQueue& queue) const;  ///< of the connection that it is in front of
  const SocketRow* row_of(const UserQueue& queue) const;     ///< null if the socket is gone or has no row
  const UserQueue* queue_of(const SocketRow& row) const;     ///< null if nobody speaks for it
  const OwnerTotals* owner(Pid pid) const;                   ///< null if it is not listed

  /// All but listeners and sockets without a remote port, by local and remote end, then by namespace.
  Rows by_ends() const { return by_ends_; }
  std::span<const UserQueue* const> queues() const { return queues_; }        ///< by namespace and ends
  Rows in_state(TcpState state) const { return by_state_[index_of(state)]; }  ///< in the sample's order
  /// The rows that a process, or the unseen processes of a namespace, hold in a state; in the sample's order.
  Rows held(const Group& group, TcpState state) const;
  /// The processes that one has started, by pid.
  std::span<const OwnerTotals* const> children(Pid parent) const;
  const PortTotals* port(NetnsId netns, std::uint16_t port) const;  ///< null if it has no totals
  /// The listening sockets of a port in one namespace, in the sample's order.
  Rows listeners(NetnsId netns, std::uint16_t port) const;

 private:
  const SocketRow* other_end_of(NetnsId netns, const Endpoint& local, const Endpoint& remote) const;

  std::vector<const SocketRow*> by_ends_;
  std::array<std::vector<const SocketRow*>, kStateCount> by_state_;
  std::array<std::vector<const SocketRow*>, kStateCount> by_group_;  ///< of each state, by group
  std::array<std::vector<Group>, kStateCount> groups_;               ///< of by_group_, beside it: quick to search
  std::vector<const SocketRow*> listeners_;                          ///< by namespace and port
  std::vector<const UserQueue*> queues_;
  std::vector<const OwnerTotals*> owners_;     ///< by pid
  std::vector<const OwnerTotals*> by_parent_;  ///< by parent, then by pid
  std::vector<const PortTotals*> ports_;       ///< by namespace and port
};

}  // namespace tcpadvisor
