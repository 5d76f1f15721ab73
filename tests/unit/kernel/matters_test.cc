// SPDX-License-Identifier: Apache-2.0
// One rule about which sockets get a row; tests/kernel asks the kernel's side about real ones.
#include "agent/kernel/matters.h"

#include <gtest/gtest.h>

#include <functional>

namespace tcpadvisor::kernel::matters_test {
namespace {

struct Case {
  std::string_view what;
  TcpState state;
  std::function<void(SocketRow&)> change;
  bool matters;
};

const Case kCases[] = {
    {"a listener", TcpState::listen, [](SocketRow&) {}, true},
    {"the program does not close", TcpState::close_wait, [](SocketRow&) {}, true},
    {"the peer does not close", TcpState::fin_wait_2, [](SocketRow&) {}, true},
    {"a mini-socket", TcpState::fin_wait_2, [](SocketRow& row) { row.kind = SocketKind::timewait; }, false},
    {"nothing special", TcpState::established, [](SocketRow&) {}, false},
    {"a connection being made", TcpState::syn_sent, [](SocketRow&) {}, true},
    {"unread, a little", TcpState::established, [](SocketRow& row) { row.recv_q = 65'535; }, false},
    {"unread, much", TcpState::established, [](SocketRow& row) { row.recv_q = 65'536; }, true},
    {"unsent, much", TcpState::established, [](SocketRow& row) { row.send_q = 1u << 31; }, true},
    {"closed with data", TcpState::last_ack, [](SocketRow& row) { row.send_q = 1; }, true},
    {"closed without", TcpState::last_ack, [](SocketRow&) {}, false},
    {"our window is closed", TcpState::established,
     [](SocketRow& row) { row.recv_q = 1, row.rcv_wnd = 64, row.rcvbuf = 4096; }, true},
    {"our window is open", TcpState::established,
     [](SocketRow& row) { row.recv_q = 1, row.rcv_wnd = 65, row.rcvbuf = 4096; }, false},
    {"our window is not known", TcpState::established, [](SocketRow& row) { row.recv_q = 1; }, false},
    {"the peer's window is closed", TcpState::established, [](SocketRow& row) { row.send_q = 1, row.snd_wnd = 0; },
     true},
    {"the peer's window is not known", TcpState::established, [](SocketRow& row) { row.send_q = 1; }, false},
    {"a locked buffer in use", TcpState::established,
     [](SocketRow& row) {
       row.locks = BufferLocks{.sndbuf = false, .rcvbuf = true};
       row.last_data_recv_ms = 2000;
     },
     true},
    {"a locked buffer at rest", TcpState::established,
     [](SocketRow& row) {
       row.locks = BufferLocks{.sndbuf = true, .rcvbuf = true};
       row.last_data_sent_ms = row.last_data_recv_ms = 2001;
     },
     false},
    {"a buffer that has grown, in use", TcpState::established,
     [](SocketRow& row) { row.rcvbuf = 262'144, row.last_data_recv_ms = 2000; }, true},
    {"a buffer that has not grown", TcpState::established,
     [](SocketRow& row) { row.rcvbuf = 262'143, row.last_data_recv_ms = 0; }, false},
    {"a buffer that has grown, at rest", TcpState::established,
     [](SocketRow& row) { row.rcvbuf = 6'291'456, row.last_data_recv_ms = 2001; }, false},
    {"a locked buffer never used", TcpState::established,
     [](SocketRow& row) { row.locks = BufferLocks{.sndbuf = true, .rcvbuf = false}; }, false},
};

TEST(Matters, table_of_sockets) {
  for (const Case& one : kCases) {
    SocketRow row;
    row.state = one.state;
    one.change(row);
    EXPECT_EQ(matters(row, RowFilter{}), one.matters) << one.what;
  }
}

}  // namespace
}  // namespace tcpadvisor::kernel::matters_test
