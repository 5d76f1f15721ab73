// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/socket_rules.h"

namespace tcpadvisor::sources {

void count_payload_only(SocketRow& row) {
  bool fin_received =
      row.state == TcpState::close_wait || row.state == TcpState::last_ack || row.state == TcpState::closing;
  // Once the application has read the end of the stream, the FIN is no longer counted and the queue is 0.
  if (fin_received && row.recv_q > 0) --row.recv_q;
  bool fin_not_acked =
      row.state == TcpState::fin_wait_1 || row.state == TcpState::last_ack || row.state == TcpState::closing;
  if ((fin_not_acked || row.state == TcpState::syn_sent) && row.send_q > 0) --row.send_q;
}

void settle_holder(SocketRow& row) {
  if (row.kind == SocketKind::timewait) {
    row.holder = Holder::orphan;
    return;
  }
  if (row.kind == SocketKind::request) {
    row.holder = Holder::unaccepted;
    return;
  }
  if (row.inode != 0) {
    row.holder = Holder::process;
    return;
  }
  switch (row.state) {
    case TcpState::established:
    case TcpState::close_wait:
    case TcpState::syn_recv:
      row.holder = Holder::unaccepted;
      break;
    case TcpState::fin_wait_1:
    case TcpState::fin_wait_2:
    case TcpState::last_ack:
    case TcpState::closing:
    case TcpState::time_wait:
      row.holder = Holder::orphan;
      break;
    default:
      row.holder = Holder::unknown;
  }
}

Timer timer_from(unsigned number) {
  switch (number) {
    case 1:
      return Timer::retransmit;
    case 2:
      return Timer::keepalive;
    case 3:
      return Timer::timewait;
    case 4:
      return Timer::persist;
    default:
      return Timer::none;
  }
}

}  // namespace tcpadvisor::sources
