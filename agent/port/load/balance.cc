// SPDX-License-Identifier: Apache-2.0
#include "agent/port/load/balance.h"

#include <algorithm>

namespace tcpadvisor::port::load {

void Balance::add(const Balance& more) {
  accepted += more.accepted;
  message_queue += more.message_queue;
  driver_queue += more.driver_queue;
  dropped += more.dropped;
  send_q += more.send_q;
  recv_q += more.recv_q;
  delivered += more.delivered;
  unknown += more.unknown;
}

Balance balance_of(const Port& port, const SocketTransport& socket, const FarQueue& far) {
  PortState state = port.state();
  Balance balance{.accepted = state.accepted + state.message_queue,
                  .message_queue = state.message_queue,
                  .driver_queue = state.queued,
                  .dropped = state.dropped,
                  .send_q = std::min(socket.send_queue(), state.written)};
  std::uint64_t acknowledged = state.written - balance.send_q;
  std::optional<std::uint64_t> unread;
  if (far && socket.fd() >= 0) unread = far(remote_address(socket.fd()), local_address(socket.fd()));
  if (unread) {
    balance.recv_q = *unread;
    balance.delivered = acknowledged - std::min(acknowledged, *unread);
  } else {
    balance.unknown = acknowledged;
  }
  return balance;
}

}  // namespace tcpadvisor::port::load
