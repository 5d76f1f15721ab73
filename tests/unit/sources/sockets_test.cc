// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "agent/os/unique_fd.h"
#include "agent/sources/inet_diag.h"
#include "agent/sources/proc_net_tcp.h"
#include "agent/sources/sock_diag.h"
#include "tests/unit/os/temp_tree.h"
#include "tests/unit/sources/fixture.h"

namespace tcpadvisor::sources::sockets_test {
namespace {

std::vector<SocketRow> decode_fixture() {
  std::vector<SocketRow> rows;
  for (const auto& message : fixture::messages("netlink/sock_diag-6.18.hex")) {
    auto row = decode_inet_diag(message);
    EXPECT_TRUE(row) << row.error().message;
    if (row) rows.push_back(std::move(*row));
  }
  return rows;
}

std::vector<SocketRow> only(std::vector<SocketRow> rows, TcpState state) {
  std::erase_if(rows, [state](const SocketRow& row) { return row.state != state; });
  return rows;
}

TEST(InetDiag, captured_listeners) {
  auto rows = only(decode_fixture(), TcpState::listen);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].accept_queue, 2u);
  EXPECT_EQ(rows[0].accept_limit, 20u);
  EXPECT_EQ(rows[0].holder, Holder::process);
  EXPECT_EQ(rows[0].drops, 0u);
  EXPECT_EQ(rows[1].local.text(), "[::]:7000");
  EXPECT_EQ(rows[1].accept_queue, 1u);
  EXPECT_EQ(rows[1].recv_q, 0u) << "the queue of a listener is not bytes";
}

TEST(InetDiag, captured_close_waits_do_not_count_the_fin) {
  auto rows = only(decode_fixture(), TcpState::close_wait);
  std::vector<std::uint64_t> queues, received;
  for (const SocketRow& row : rows) {
    queues.push_back(row.recv_q);
    received.push_back(row.bytes_received.value());
    EXPECT_EQ(row.holder, Holder::process);
  }
  std::ranges::sort(queues);
  std::ranges::sort(received);
  EXPECT_EQ(queues, (std::vector<std::uint64_t>{0, 3, 100, 100, 100}));  // ss shows 1, 4, 101, 101, 101
  EXPECT_EQ(received, queues);
}

TEST(InetDiag, captured_holders) {
  auto rows = decode_fixture();
  auto count = [&](TcpState state, Holder holder, SocketKind kind) {
    return std::ranges::count_if(
        rows, [&](const SocketRow& row) { return row.state == state && row.holder == holder && row.kind == kind; });
  };
  EXPECT_EQ(count(TcpState::fin_wait_2, Holder::orphan, SocketKind::timewait), 4);
  EXPECT_EQ(count(TcpState::fin_wait_2, Holder::process, SocketKind::full), 1);
  EXPECT_EQ(count(TcpState::fin_wait_1, Holder::orphan, SocketKind::full), 1);
  EXPECT_EQ(count(TcpState::time_wait, Holder::orphan, SocketKind::timewait), 1);
  EXPECT_EQ(count(TcpState::established, Holder::unaccepted, SocketKind::full), 3);
  EXPECT_EQ(count(TcpState::established, Holder::process, SocketKind::full), 4);
  EXPECT_EQ(rows.size(), 21u);
}

TEST(InetDiag, captured_orphan_with_a_peer_that_does_not_read) {
  SocketRow row = only(decode_fixture(), TcpState::fin_wait_1).at(0);
  EXPECT_EQ(row.send_q, 3'782'144u) << "without our FIN";
  EXPECT_EQ(row.not_sent, 3'782'144u);
  EXPECT_EQ(row.bytes_acked, 128'512u) << "what the peer has in its Recv-Q; without our SYN";
  EXPECT_EQ(row.timer, Timer::persist);
  EXPECT_EQ(row.snd_wnd, 0u);
  EXPECT_GT(row.rwnd_limited_us.value(), 1'000'000u);
  EXPECT_EQ(row.congestion_control, "bbr");
  EXPECT_EQ(row.snd_wscale, 10);
  EXPECT_GT(row.wmem_queued.value(), 3'782'144u);
  EXPECT_GT(row.sndbuf.value(), 0u);
  EXPECT_FALSE(row.locks) << "inet_diag does not tell";
  EXPECT_NE(row.cookie, 0u);
}

TEST(InetDiag, captured_mapped_addresses_become_ipv4) {
  auto rows = decode_fixture();
  EXPECT_TRUE(std::ranges::any_of(
      rows, [](const SocketRow& row) { return row.local.text() == "127.0.0.1:7000" && !row.local.v6; }));
}

// ---- messages made by hand ----

class Message {
 public:
  Message(unsigned state, unsigned inode, unsigned timer = 0) {
    header_.idiag_family = AF_INET;
    header_.idiag_state = static_cast<__u8>(state);
    header_.idiag_timer = static_cast<__u8>(timer);
    header_.idiag_inode = inode;
    header_.id.idiag_sport = htons(80);
    header_.id.idiag_cookie[0] = 7;
  }
  inet_diag_msg& header() { return header_; }
  Message& attribute(int type, const void* data, std::size_t size) {
    nlattr head{static_cast<__u16>(NLA_HDRLEN + size), static_cast<__u16>(type)};
    append(&head, sizeof head);
    append(data, size);
    attributes_.resize(NLA_ALIGN(attributes_.size()));
    return *this;
  }
  Message& info(const tcp_info& info, std::size_t size = sizeof(tcp_info)) {
    return attribute(INET_DIAG_INFO, &info, size);
  }
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> all(sizeof header_);
    std::memcpy(all.data(), &header_, sizeof header_);
    all.insert(all.end(), attributes_.begin(), attributes_.end());
    return all;
  }
  SocketRow decode() const { return decode_inet_diag(bytes()).value(); }

 private:
  void append(const void* data, std::size_t size) {
    auto* from = static_cast<const std::byte*>(data);
    attributes_.insert(attributes_.end(), from, from + size);
  }
  inet_diag_msg header_{};
  std::vector<std::byte> attributes_;
};

TEST(InetDiag, request_sockets) {
  SocketRow row = Message(3, 0, 1).decode();
  EXPECT_EQ(row.state, TcpState::new_syn_recv);
  EXPECT_EQ(row.kind, SocketKind::request);
  EXPECT_EQ(row.holder, Holder::unaccepted);
}

TEST(InetDiag, close_wait_without_a_file_waits_in_the_accept_queue) {
  EXPECT_EQ(Message(8, 0).decode().holder, Holder::unaccepted);
  EXPECT_EQ(Message(8, 5).decode().holder, Holder::process);
  EXPECT_EQ(Message(9, 0).decode().holder, Holder::orphan);
  EXPECT_EQ(Message(2, 0).decode().holder, Holder::unknown);
}

TEST(InetDiag, an_mptcp_subflow_is_neither_unaccepted_nor_orphan) {
  struct {
    nlattr head{NLA_HDRLEN + 6, 1};
    char name[8] = "mptcp";
  } ulp;
  EXPECT_EQ(Message(1, 0).attribute(INET_DIAG_ULP_INFO, &ulp, sizeof ulp).decode().holder, Holder::kernel);
}

TEST(InetDiag, an_old_kernels_shorter_tcp_info_leaves_the_rest_open) {
  tcp_info info{};
  info.tcpi_rtt = 1500;
  info.tcpi_bytes_acked = 10;
  SocketRow row = Message(1, 5).info(info, offsetof(tcp_info, tcpi_min_rtt)).decode();
  EXPECT_EQ(row.srtt_us, 1500u);
  EXPECT_EQ(row.bytes_acked, 10u);
  EXPECT_FALSE(row.min_rtt_us || row.busy_us || row.bytes_sent || row.snd_wnd || row.rcv_wnd);
}

TEST(InetDiag, a_new_kernels_longer_tcp_info_is_read_as_far_as_known) {
  std::vector<std::byte> info(400, std::byte{0});
  std::uint32_t window = 4711;
  std::memcpy(info.data() + offsetof(tcp_info, tcpi_snd_wnd) + 4, &window, sizeof window);
  SocketRow row = Message(1, 5).attribute(INET_DIAG_INFO, info.data(), info.size()).decode();
  EXPECT_EQ(row.rcv_wnd, 4711u);
  EXPECT_FALSE(row.srtt_us) << "0 is no measurement";
}

TEST(InetDiag, no_rtt_sample_yet) {
  tcp_info info{};
  info.tcpi_min_rtt = ~0u;
  EXPECT_FALSE(Message(1, 5).info(info).decode().min_rtt_us);
}

TEST(InetDiag, nonsense_is_an_error) {
  EXPECT_FALSE(decode_inet_diag({}));
  EXPECT_FALSE(decode_inet_diag(Message(0, 1).bytes()));
  EXPECT_FALSE(decode_inet_diag(Message(99, 1).bytes()));
  Message other_family(1, 1);
  other_family.header().idiag_family = AF_UNIX;
  EXPECT_FALSE(decode_inet_diag(other_family.bytes()));
  auto cut = Message(1, 1).info({}).bytes();
  cut.resize(cut.size() - 8);
  EXPECT_FALSE(decode_inet_diag(cut)) << "an attribute longer than the message";
}

TEST(InetDiag, damaged_messages_do_not_crash) {
  auto all = fixture::messages("netlink/sock_diag-6.18.hex");
  std::size_t good = 0;
  for (std::size_t which : {0ul, 2ul, 10ul}) {
    fixture::damage(all[which], [&](std::span<const std::byte> bytes) { good += decode_inet_diag(bytes).has_value(); });
  }
  EXPECT_GT(good, 0u);
}

// ---- /proc/net/tcp ----

std::vector<SocketRow> read_table(const os::ProcRoot& root) {
  std::vector<SocketRow> rows;
  auto status = read_proc_net_tcp(root, [&](SocketRow&& row) { rows.push_back(std::move(row)); });
  EXPECT_TRUE(status) << status.error().message;
  return rows;
}

TEST(ProcNetTcp, the_captured_table_says_the_same_as_sock_diag) {
  auto diag = decode_fixture();
  auto proc = read_table(fixture::root("proc-6.18"));
  ASSERT_EQ(proc.size(), diag.size());
  for (const SocketRow& row : proc) {
    auto same = std::ranges::find_if(diag, [&](const SocketRow& other) {
      return other.local == row.local && other.remote == row.remote && other.kind == row.kind;
    });
    ASSERT_NE(same, diag.end()) << row.local.text();
    EXPECT_EQ(row.state, same->state) << row.local.text();
    EXPECT_EQ(row.holder, same->holder) << row.local.text();
    EXPECT_EQ(row.recv_q, same->recv_q);
    EXPECT_EQ(row.send_q, same->send_q);
    EXPECT_EQ(row.inode, same->inode);
    EXPECT_EQ(row.accept_queue, same->accept_queue);
    EXPECT_FALSE(row.accept_limit || row.rcvbuf || row.srtt_us);
  }
}

TEST(ProcNetTcp, an_older_kernel_without_ipv6) {
  auto rows = read_table(fixture::root("proc-5.10"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].accept_queue, 3u);
  EXPECT_EQ(rows[0].uid, 33u);
  EXPECT_EQ(rows[1].state, TcpState::new_syn_recv);
  EXPECT_EQ(rows[2].send_q, 2048u);
  EXPECT_EQ(rows[2].holder, Holder::orphan);
  EXPECT_EQ(rows[2].timer, Timer::retransmit);
  EXPECT_EQ(rows[3].recv_q, 0u);
}

TEST(ProcNetTcp, a_bad_line_is_named) {
  os::TempTree tree;
  tree.file("/proc/thread-self/net/tcp", "  sl local\n   0: 0100007F:1F90 00000000:0000 0A 0:0\n");
  auto status = read_proc_net_tcp(tree.root(), [](SocketRow&&) {});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("/net/tcp:2: '' is not a timer"), std::string::npos) << status.error().message;
  EXPECT_FALSE(parse_proc_net_tcp("0: 0100007F:1F90 00000000:0000 FF 0:0 0:0 0 0 0 1"));
  EXPECT_FALSE(parse_proc_net_tcp("0: 0100007G:1F90 00000000:0000 0A 0:0 0:0 0 0 0 1"));
  EXPECT_FALSE(parse_proc_net_tcp("0: 0100007F:11F90 00000000:0000 0A 0:0 0:0 0 0 0 1"));
}

TEST(ProcNetTcp, damaged_lines_do_not_crash) {
  std::string line = "   2: 0100007F:1F90 0100007F:C351 09 00000801:00000000 01:00000014 00000004     0        0 0 1 0";
  std::size_t good = 0;
  fixture::damage_text(line, [&](std::string_view text) { good += parse_proc_net_tcp(text).has_value(); });
  EXPECT_GT(good, 0u);
}

// ---- live, on loopback ----

struct Pair {
  os::UniqueFd listener, client, server;
  std::uint16_t port = 0;

  Pair() {
    listener.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener.get(), 4);
    socklen_t size = sizeof address;
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    client.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    server.reset(accept(listener.get(), nullptr, nullptr));
  }
};

TEST(LiveSockets, both_sources_see_what_is_unread) {
  Pair pair;
  ASSERT_EQ(send(pair.client.get(), "0123456789", 10, 0), 10);
  ASSERT_EQ(shutdown(pair.client.get(), SHUT_WR), 0);
  char byte;
  ASSERT_EQ(recv(pair.server.get(), &byte, 1, 0), 1);
  auto is_server_end = [&](const SocketRow& row) {
    return row.local.port == pair.port && row.state == TcpState::close_wait;
  };
  int seen_by_diag = 0, seen_by_proc = 0;
  auto dump = dump_sockets([&](SocketRow&& row) {
    if (!is_server_end(row)) return;
    ++seen_by_diag;
    EXPECT_EQ(row.recv_q, 9u);
    EXPECT_EQ(row.bytes_received, 10u);
    EXPECT_NE(row.inode, 0u);
    EXPECT_TRUE(row.rmem_alloc && row.rcvbuf && row.snd_cwnd);
  });
  ASSERT_TRUE(dump) << dump.error().message;
  EXPECT_EQ(dump->undecodable, 0u);
  auto status = read_proc_net_tcp(os::ProcRoot(), [&](SocketRow&& row) {
    if (!is_server_end(row)) return;
    ++seen_by_proc;
    EXPECT_EQ(row.recv_q, 9u);
  });
  EXPECT_TRUE(status);
  EXPECT_EQ(seen_by_diag, 1);
  EXPECT_EQ(seen_by_proc, 1);
}

TEST(LiveSockets, acknowledged_bytes_count_neither_syn_nor_fin) {
  Pair pair;
  ASSERT_EQ(send(pair.client.get(), "0123456789", 10, 0), 10);
  ASSERT_EQ(send(pair.server.get(), "abc", 3, 0), 3);
  char buffer[16];
  ASSERT_EQ(recv(pair.server.get(), buffer, sizeof buffer, 0), 10);
  ASSERT_EQ(recv(pair.client.get(), buffer, sizeof buffer, 0), 3);
  int seen = 0;
  auto dump = dump_sockets(
      [&](SocketRow&& row) {
        if (row.local.port == pair.port) {
          ++seen;
          EXPECT_EQ(row.bytes_acked.value() + row.send_q, 3u);
        } else if (row.remote.port == pair.port) {
          ++seen;
          EXPECT_EQ(row.bytes_acked.value() + row.send_q, 10u);
        }
      },
      1u << index_of(TcpState::established));
  ASSERT_TRUE(dump);
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace tcpadvisor::sources::sockets_test
