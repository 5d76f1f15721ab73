// SPDX-License-Identifier: Apache-2.0
// What the walks say about each socket, and their sums.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "agent/kernel/matters.h"
#include "tests/kernel/kernel_test.h"

namespace tcpadvisor::kernel::rows_test {
namespace {

using std::chrono::milliseconds;

TEST_F(KernelTest, BytesAndCallsOfALiveConnectionAreExact) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  std::uint64_t bytes = 0;
  for (std::size_t size : {1, 2, 3, 64, 100, 1000, 4096, 5000}) {
    for (int i = 0; i < 5; ++i) {
      traffic::send_exactly(pair.client.get(), size);
      traffic::receive_exactly(pair.server.get(), size);
      bytes += size;
    }
  }
  auto seen = walk();
  auto sender = row_of(pair.client.get(), seen), receiver = row_of(pair.server.get(), seen);
  ASSERT_TRUE(sender && receiver);
  EXPECT_EQ(*sender->bytes_sent - *sender->bytes_retrans, bytes);
  EXPECT_EQ(*receiver->bytes_received, bytes);
  EXPECT_EQ(*sender->bytes_acked, bytes);
  ASSERT_TRUE(sender->calls && receiver->calls);
  EXPECT_EQ(sender->calls->send.calls(), 40u);
  EXPECT_EQ(sender->calls->send.slots[3], 5u) << "1 byte";
  EXPECT_EQ(sender->calls->send.slots[4], 10u) << "2 and 3 bytes";
  EXPECT_EQ(sender->calls->send.slots[3 + 12], 10u) << "4096 and 5000 bytes";
  EXPECT_GE(receiver->calls->recv.calls(), 40u);
  EXPECT_LT(sender->calls->send.last_ms_ago.value_or(1u << 20), 60'000u);
}

TEST_F(KernelTest, AnEmptyReadThatDoesNotWaitCountsAsEagain) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::set_nonblocking(pair.client.get());
  char byte = 0;
  for (int i = 0; i < 7; ++i) EXPECT_EQ(recv(pair.client.get(), &byte, 1, 0), -1);
  auto row = row_of(pair.client.get(), walk());
  ASSERT_TRUE(row && row->calls);
  EXPECT_EQ(row->calls->recv.eagain(), 7u);
}

TEST_F(KernelTest, SmallWritesBeforeAReadAreARun) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  for (int i = 0; i < 3; ++i) {
    traffic::send_exactly(pair.client.get(), 10);
    traffic::send_exactly(pair.client.get(), 20);
    traffic::receive_exactly(pair.server.get(), 30);
    traffic::send_exactly(pair.server.get(), 1);
    traffic::receive_exactly(pair.client.get(), 1);
  }
  auto row = row_of(pair.client.get(), walk());
  ASSERT_TRUE(row && row->calls);
  EXPECT_EQ(row->calls->small_write_runs, 3u);
}

TEST_F(KernelTest, StatesHoldersAndAges) {
  auto listener = traffic::listen_on_loopback(8);
  auto leaked = traffic::make_pair(listener);       // CLOSE_WAIT, owned
  auto half_closed = traffic::make_pair(listener);  // FIN_WAIT_2, owned
  auto unaccepted = traffic::connect_to(listener.port);
  std::uint16_t unaccepted_port = traffic::local_port(unaccepted.get());
  std::uint16_t orphan_port = traffic::local_port(leaked.client.get());
  leaked.client.reset();
  shutdown(half_closed.client.get(), SHUT_WR);
  unaccepted.reset();
  std::this_thread::sleep_for(milliseconds(300));

  auto seen = walk();
  auto close_wait = row_of(leaked.server.get(), seen);
  ASSERT_TRUE(close_wait);
  EXPECT_EQ(close_wait->state, TcpState::close_wait);
  EXPECT_EQ(close_wait->holder, Holder::process);
  EXPECT_EQ(close_wait->recv_q, 0u) << "the FIN is not data";
  EXPECT_GE(close_wait->state_age_ms.value_or(0), 280u);
  EXPECT_LT(close_wait->state_age_ms.value_or(1u << 30), 60'000u);
  EXPECT_FALSE(close_wait->state_age_is_lower_bound);

  auto fin_wait_2 = row_of(half_closed.client.get(), seen);
  ASSERT_TRUE(fin_wait_2);
  EXPECT_EQ(fin_wait_2->state, TcpState::fin_wait_2);
  EXPECT_EQ(fin_wait_2->kind, SocketKind::full);
  EXPECT_EQ(fin_wait_2->holder, Holder::process);

  auto in_queue = std::ranges::find_if(seen.rows, [&](const SocketRow& row) {
    return row.local.port == listener.port && row.remote.port == unaccepted_port;
  });
  ASSERT_NE(in_queue, seen.rows.end());
  EXPECT_EQ(in_queue->state, TcpState::close_wait);
  EXPECT_EQ(in_queue->holder, Holder::unaccepted);

  auto orphan = std::ranges::find_if(seen.rows, [&](const SocketRow& row) { return row.local.port == orphan_port; });
  ASSERT_NE(orphan, seen.rows.end());
  EXPECT_EQ(orphan->state, TcpState::fin_wait_2);
  EXPECT_EQ(orphan->kind, SocketKind::timewait);
  EXPECT_EQ(orphan->holder, Holder::orphan);

  auto listening = row_of(listener.fd.get(), seen);
  ASSERT_TRUE(listening);
  EXPECT_EQ(listening->accept_queue, 1u);
  EXPECT_EQ(listening->accept_limit, 8u);

  auto port = std::ranges::find(seen.ports, listener.port, &PortTotals::port);
  ASSERT_NE(port, seen.ports.end());
  EXPECT_EQ(port->sockets[index_of(TcpState::close_wait)], 3u) << "leaked, half closed by the peer, unaccepted";
  EXPECT_EQ(port->unaccepted_close_wait, 1u);
}

TEST_F(KernelTest, QueuesAddUp) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 10'000);
  ASSERT_TRUE(eventually([&] {
    auto seen = walk();
    auto receiver = row_of(pair.server.get(), seen);
    auto sender = row_of(pair.client.get(), seen);
    return receiver && sender && receiver->recv_q == 10'000 && sender->send_q == 0;
  }));
  traffic::set_nonblocking(pair.client.get());
  std::vector<char> block(65'536, 'y');
  std::uint64_t accepted = 10'000;
  for (int i = 0; i < 2000; ++i) {
    ssize_t sent = send(pair.client.get(), block.data(), block.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      pollfd room{pair.client.get(), POLLOUT, 0};
      if (poll(&room, 1, 300) == 0) break;  // the peer's window is closed for good
      continue;
    }
    accepted += static_cast<std::uint64_t>(sent);
  }
  auto seen = walk();
  auto sender = row_of(pair.client.get(), seen), receiver = row_of(pair.server.get(), seen);
  ASSERT_TRUE(sender && receiver);
  EXPECT_EQ(sender->send_q + receiver->recv_q, accepted) << "what the kernel took is in one of the two queues";
  EXPECT_GT(*sender->not_sent, 0u);
  EXPECT_TRUE(*sender->nospace);
}

TEST_F(KernelTest, AClosedWindowMattersHoweverLittleWaits) {
  auto listener = traffic::listen_on_loopback(8, 4096);
  auto pair = traffic::make_pair(listener);
  traffic::set_nonblocking(pair.client.get());
  std::vector<char> block(2048, 'z');
  ASSERT_TRUE(eventually([&] {
    while (send(pair.client.get(), block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
    return row_of(pair.client.get(), walk())->snd_wnd == 0u;
  }));
  auto seen = walk(RowFilter{});  // only what matters: 64 KiB in a queue, or a reason like this one
  ASSERT_TRUE(row_of(pair.client.get(), seen));
  EXPECT_LT(row_of(pair.server.get(), walk())->recv_q, 65'536u);
}

// The rule is compiled into the kernel's walk and into the agent (bpf/matters.h); what each of them feeds it with must
// say the same.
TEST_F(KernelTest, BothSidesAgreeOnWhichSocketsMatter) {
  auto listener = traffic::listen_on_loopback(16), fixed = traffic::listen_on_loopback(16, 32'768);
  auto leaked = traffic::make_pair(listener), half_closed = traffic::make_pair(listener);
  auto little = traffic::make_pair(listener), much = traffic::make_pair(listener);
  auto locked_at_rest = traffic::make_pair(fixed), locked_unused = traffic::make_pair(fixed);
  traffic::send_exactly(locked_at_rest.client.get(), 100);
  traffic::receive_exactly(locked_at_rest.server.get(), 100);
  std::this_thread::sleep_for(milliseconds(2500));  // now at rest for longer than counts as use
  auto locked_in_use = traffic::make_pair(fixed);
  traffic::send_exactly(locked_in_use.client.get(), 100);
  traffic::receive_exactly(locked_in_use.server.get(), 100);
  traffic::send_exactly(little.client.get(), 1000);
  traffic::send_exactly(much.client.get(), 100'000);
  leaked.client.reset();
  shutdown(half_closed.client.get(), SHUT_WR);

  auto cookies = [](const std::vector<SocketRow>& rows, const std::function<bool(const SocketRow&)>& wanted) {
    std::set<std::uint64_t> set;
    for (const SocketRow& row : rows) {
      if (row.kind == SocketKind::full && wanted(row)) set.insert(row.cookie);
    }
    return set;
  };
  auto chosen_by_agent = [&] {
    return cookies(walk().rows, [](const SocketRow& row) { return matters(row, RowFilter{}); });
  };
  auto chosen_by_kernel = [&] { return cookies(walk(RowFilter{}).rows, [](const SocketRow&) { return true; }); };
  auto seen = walk();
  auto cookie_of = [&](int fd) { return row_of(fd, seen).value_or(SocketRow{}).cookie; };
  std::set<std::uint64_t> chosen;
  const int wanted[] = {listener.fd.get(), leaked.server.get(), half_closed.client.get(), much.server.get(),
                        locked_in_use.server.get()};
  EXPECT_TRUE(eventually([&] {  // what was sent may still be on its way
    chosen = chosen_by_kernel();
    return chosen == chosen_by_agent() &&
           std::ranges::all_of(wanted, [&](int fd) { return chosen.contains(cookie_of(fd)); });
  }));
  for (int fd : wanted) EXPECT_TRUE(chosen.contains(cookie_of(fd))) << fd;
  for (int fd :
       {little.server.get(), locked_at_rest.server.get(), locked_unused.server.get(), locked_in_use.client.get()})
    EXPECT_FALSE(chosen.contains(cookie_of(fd))) << fd;
}

TEST_F(KernelTest, ALookGivesRowsToThoseInUseAndTheirOwners) {
  auto listener = traffic::listen_on_loopback(8);
  std::vector<traffic::Pair> pairs;
  pairs.reserve(40);
  for (int i = 0; i < 40; ++i) pairs.push_back(traffic::make_pair(listener));
  for (int i = 0; i < 10; ++i) {
    traffic::send_exactly(pairs[i].client.get(), 100);
    traffic::receive_exactly(pairs[i].server.get(), 100);
  }
  RowFilter none;
  none.min_recv_q = none.min_send_q = 1u << 30;
  EXPECT_TRUE(walk(none).looked.empty());

  Look everything{.mask = 0, .turn = 0, .max_rows = 1000, .followed = {}};
  tracer_->look_at(&everything);
  auto seen = walk(none);
  std::set<std::uint64_t> ours;  // this host may have other connections in use
  for (const traffic::Pair& pair : pairs) {
    for (int fd : {pair.client.get(), pair.server.get()}) {
      std::uint64_t cookie = 0;
      socklen_t size = sizeof cookie;
      ASSERT_EQ(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
      ours.insert(cookie);
    }
  }
  std::erase_if(seen.looked, [&](const auto& entry) { return !ours.contains(entry.first); });
  std::erase_if(seen.rows, [&](const SocketRow& row) { return !ours.contains(row.cookie); });
  EXPECT_EQ(seen.looked.size(), 20u) << "both ends of the ten that carried data";
  EXPECT_EQ(std::ranges::count(seen.rows, TcpState::established, &SocketRow::state), 20);
  for (const auto& [cookie, spot] : seen.looked)
    EXPECT_EQ(std::ranges::count(owners(none).by_cookie, cookie, &os::Descriptor::socket), 1) << cookie;

  std::set<Spot> spots;
  for (const auto& [cookie, spot] : seen.looked) spots.insert(spot);
  EXPECT_GE(spots.size(), 17u) << "ten clients of one service are spread as well as their ten servers";

  Look one{.mask = 0xffff, .turn = 0, .max_rows = 1000, .followed = {}};
  auto [cookie, spot] = *seen.looked.begin();
  while (std::ranges::any_of(seen.looked, [&](const auto& entry) { return entry.second == one.turn; })) ++one.turn;
  one.follow(spot);
  tracer_->look_at(&one);
  auto followed = walk(none).looked;
  std::erase_if(followed, [&](const auto& entry) { return !ours.contains(entry.first); });
  EXPECT_TRUE(followed.contains(cookie));
  EXPECT_LE(followed.size(), 2u) << "two of twenty may share a spot";

  Look few{.mask = 0, .turn = 0, .max_rows = 3, .followed = {}};
  tracer_->look_at(&few);
  EXPECT_EQ(walk(none).looked.size(), 3u);
  tracer_->look_at(nullptr);
  EXPECT_TRUE(walk(none).looked.empty());
}

TEST_F(KernelTest, OwnersAreJoinedByCookie) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  traffic::send_exactly(pair.client.get(), 10);
  RowFilter unread;  // not every socket of the host: a busy one has more than the walk may name
  unread.min_recv_q = 10;
  auto row = row_of(pair.server.get(), walk());
  ASSERT_TRUE(row);
  auto held = owners(unread);
  auto owners_of_it = os::descriptors_of(held.by_cookie, row->cookie);
  ASSERT_EQ(owners_of_it.size(), 1u);
  EXPECT_EQ(owners_of_it[0].pid, static_cast<Pid>(getpid()));
  EXPECT_EQ(owners_of_it[0].fd, pair.server.get());
  auto totals = std::ranges::find(held.owners, static_cast<Pid>(getpid()), &OwnerTotals::pid);
  ASSERT_NE(totals, held.owners.end());
  EXPECT_EQ(totals->sockets[index_of(TcpState::established)], 2u);
  EXPECT_EQ(totals->sockets[index_of(TcpState::listen)], 1u);
  EXPECT_GE(*totals->fds, 3u);
}

TEST_F(KernelTest, BufferLocksAreSeen) {
  auto listener = traffic::listen_on_loopback(8, 32'768);
  auto pair = traffic::make_pair(listener);
  auto seen = walk();
  EXPECT_TRUE(row_of(pair.server.get(), seen)->locks->rcvbuf) << "inherited from the listener";
  EXPECT_FALSE(row_of(pair.server.get(), seen)->locks->sndbuf);
  EXPECT_FALSE(row_of(pair.client.get(), seen)->locks->rcvbuf);
  EXPECT_EQ(*row_of(pair.server.get(), seen)->rcvbuf, 65'536u);
}

TEST_F(KernelTest, WhatAProgramHasSetIsSeen) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  int client = pair.client.get(), server = pair.server.get();
  auto set = [](int fd, int level, int option, auto value) {
    ASSERT_EQ(setsockopt(fd, level, option, &value, sizeof value), 0) << option;
  };
  set(client, IPPROTO_TCP, TCP_NODELAY, 1);
  set(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 12'000u);
  set(client, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 3});
  set(server, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(server, IPPROTO_TCP, TCP_CORK, 1);
  set(server, SOL_SOCKET, SO_RCVLOWAT, 77);
  auto seen = walk();
  auto ours = row_of(client, seen), theirs = row_of(server, seen);
  ASSERT_TRUE(ours && theirs);
  EXPECT_EQ(ours->nodelay, true);
  EXPECT_EQ(ours->cork, false);
  EXPECT_EQ(ours->user_timeout_ms, 12'000u);
  EXPECT_EQ(ours->linger_ms, 3'000u);
  EXPECT_EQ(ours->keepalive, false);
  EXPECT_EQ(ours->rcvlowat, 1u);
  EXPECT_EQ(theirs->nodelay, false);
  EXPECT_EQ(theirs->cork, true);
  EXPECT_EQ(theirs->user_timeout_ms, 0u);
  EXPECT_FALSE(theirs->linger_ms);
  EXPECT_EQ(theirs->keepalive, true);
  EXPECT_EQ(theirs->rcvlowat, 77u);
  set(client, SOL_SOCKET, SO_LINGER, linger{.l_onoff = 0, .l_linger = 0});  // what follows may be unread
}

TEST_F(KernelTest, TcpInfoIsAsTheKernelTellsIt) {
  auto listener = traffic::listen_on_loopback(8);
  auto pair = traffic::make_pair(listener);
  for (int i = 0; i < 30; ++i) {
    traffic::send_exactly(pair.client.get(), 1000);
    traffic::receive_exactly(pair.server.get(), 1000);
  }
  tcp_info info{};
  socklen_t size = sizeof info;
  // The last acknowledgement may be a delayed one: after it nothing changes any more.
  for (int look = 0; look < 200 && (look == 0 || info.tcpi_unacked > 0); ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(getsockopt(pair.client.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  }
  auto row = row_of(pair.client.get(), walk());
  ASSERT_TRUE(row);
  EXPECT_EQ(row->data_segs_out, info.tcpi_data_segs_out);
  EXPECT_EQ(row->data_segs_in, info.tcpi_data_segs_in);
  EXPECT_EQ(row->delivered_segs, info.tcpi_delivered);
  EXPECT_EQ(row->dsack_dups, info.tcpi_dsack_dups);
  EXPECT_EQ(row->reord_seen, info.tcpi_reord_seen);
  EXPECT_EQ(row->pmtu, info.tcpi_pmtu);
  EXPECT_EQ(row->advmss, info.tcpi_advmss);
  EXPECT_EQ(row->unacked_segs, info.tcpi_unacked);
  EXPECT_EQ(row->lost_segs, info.tcpi_lost);
  EXPECT_EQ(row->rto_us, info.tcpi_rto);
  EXPECT_EQ(row->ssthresh.value_or(0x7fffffff), info.tcpi_snd_ssthresh);
  EXPECT_EQ(row->delivery_rate.value_or(0), info.tcpi_delivery_rate);
  EXPECT_EQ(row->pacing_rate.value_or(~std::uint64_t{0}), info.tcpi_pacing_rate);
}

// Rows fill the kernel's 32 KB buffer many times; each time the kernel shows the same socket again.
TEST_F(KernelTest, NothingIsCountedTwiceWhenRowsFillTheBuffer) {
  auto listener = traffic::listen_on_loopback(400);
  std::vector<traffic::Pair> pairs;
  pairs.reserve(300);
  for (int i = 0; i < 300; ++i) pairs.push_back(traffic::make_pair(listener));
  auto with_rows = walk();
  RowFilter none;
  none.min_recv_q = none.min_send_q = 1u << 30;
  auto without_rows = walk(none);
  EXPECT_EQ(with_rows.states[index_of(TcpState::established)].count, 600u);
  EXPECT_EQ(without_rows.states[index_of(TcpState::established)].count, 600u);
  EXPECT_GE(with_rows.rows.size(), 601u);
  for (auto& pair : pairs) traffic::send_exactly(pair.client.get(), 1);
  RowFilter unread = none;
  unread.min_recv_q = 1;
  ASSERT_TRUE(eventually([&] { return walk(unread).rows.size() == 301; }));
  auto held = owners(unread).by_cookie;
  EXPECT_EQ(std::ranges::count(held, static_cast<Pid>(getpid()), &os::Descriptor::pid), 301);
}

TEST_F(KernelTest, OwnersCountTheSocketsOfTheChosenNamespaceAlone) {
  auto listening = [](NetnsId netns) {
    RowFilter filter;
    filter.netns = netns;
    auto all = owners(filter).owners;
    auto us = std::ranges::find(all, static_cast<Pid>(getpid()), &OwnerTotals::pid);
    return us == all.end() ? 0u : us->sockets[index_of(TcpState::listen)];
  };
  struct stat here{}, there{};
  ASSERT_EQ(stat("/proc/thread-self/ns/net", &here), 0);
  const std::uint32_t before = listening(here.st_ino);
  auto in_ours = traffic::listen_on_loopback(1);
  std::vector<traffic::Listener> elsewhere;
  std::string why_not;
  std::thread([&] {
    if (!traffic::enter_own_namespace(why_not)) return;
    for (int i = 0; i < 3; ++i) elsewhere.push_back(traffic::listen_on_loopback(1));
    stat("/proc/thread-self/ns/net", &there);
  }).join();
  ASSERT_EQ(elsewhere.size(), 3u) << why_not;
  EXPECT_EQ(listening(here.st_ino), before + 1);
  EXPECT_EQ(listening(there.st_ino), 3u);
  EXPECT_EQ(listening(0), before + 4);
}

TEST_F(KernelTest, DeadSocketsAreThoseThatWereConnectedOnce) {
  auto dead = [] {
    auto all = owners().owners;
    auto us = std::ranges::find(all, static_cast<Pid>(getpid()), &OwnerTotals::pid);
    return us == all.end() ? 0u : us->sockets[index_of(TcpState::close)];
  };
  auto listener = traffic::listen_on_loopback(16);  // keeps this process among the owners
  std::uint32_t before = dead();
  std::vector<os::UniqueFd> opened_in_advance, refused;
  for (int i = 0; i < 20; ++i) opened_in_advance.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in nobody{};
  nobody.sin_family = AF_INET;
  nobody.sin_port = htons(1);
  nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < 5; ++i) {
    refused.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_NE(connect(refused.back().get(), reinterpret_cast<sockaddr*>(&nobody), sizeof nobody), 0);
  }
  EXPECT_EQ(dead(), before) << "nothing of this was ever a connection";
  std::vector<traffic::Pair> pairs;
  for (int i = 0; i < 4; ++i) {
    pairs.push_back(traffic::make_pair(listener));
    linger at_once{1, 0};
    setsockopt(pairs.back().client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    pairs.back().client.reset();  // resets the server's end, which keeps its descriptor; no data was ever sent
  }
  EXPECT_TRUE(eventually([&] { return dead() == before + 4; })) << dead();
}

TEST_F(KernelTest, MoreRowsThanTheLimitAreCounted) {
  TracerOptions options = options_from_environment();
  options.max_rows = 10;
  options.calls = Calls::off;
  auto small = Tracer::open(options);
  auto listener = traffic::listen_on_loopback(64);
  std::vector<traffic::Pair> pairs;
  pairs.reserve(30);
  for (int i = 0; i < 30; ++i) pairs.push_back(traffic::make_pair(listener));
  auto seen = walk_with(*small);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->rows.size(), 10u);
  EXPECT_EQ(seen->suppressed, 51u);
  EXPECT_EQ(seen->states[index_of(TcpState::established)].count, 60u) << "the totals stay complete";
}

}  // namespace
}  // namespace tcpadvisor::kernel::rows_test
