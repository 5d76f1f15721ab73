// SPDX-License-Identifier: Apache-2.0
// Made-up windows of any size: what the work of one verdict is counted on (here) and timed on (tests/bench/judge.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "advisor/evidence/window.h"

namespace tcpadvisor::worlds {

inline constexpr NetnsId kNetns = 4026531840;
inline constexpr std::uint32_t kSocketsEach = 3;    // of a process, with a row of their own
inline constexpr std::uint32_t kSocketsTotal = 20;  // as the totals say
inline constexpr std::size_t kTicks = 32;

inline Endpoint loopback(std::uint32_t number) {
  return Endpoint::v4(127, static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16 | 1), 1,
                      static_cast<std::uint16_t>(1024 + number % 60'000));
}

inline SocketRow a_row(std::uint32_t number, TcpState state, Pid pid, bool client) {
  SocketRow row;
  row.cookie = 2 * std::uint64_t{number} + (client ? 1 : 0) + 1;
  row.netns = kNetns;
  row.inode = row.cookie;
  row.state = state;
  row.holder = Holder::process;
  row.owner = Owner{.pid = pid, .comm = client ? "client" : "server", .fd = 3, .holders = 1};
  Endpoint server = loopback(pid / 2), other = loopback(number + 7);
  other.ip[1] = static_cast<std::uint8_t>(128 + number / 60'000);
  row.local = client ? other : server;
  row.remote = client ? server : other;
  row.state_age_ms = 600'000;
  return row;
}

inline OwnerTotals an_owner(Pid pid, TcpState state, bool client) {
  OwnerTotals owner;
  owner.pid = pid;
  owner.comm = client ? "client" : "server";
  owner.netns = kNetns;
  owner.fds = 100;
  owner.fd_limit = 1024;
  owner.sockets[index_of(state)] = kSocketsTotal;
  (state == TcpState::close_wait ? owner.old_close_wait : owner.old_fin_wait_2) = kSocketsTotal;
  return owner;
}

inline Sample an_empty_sample(std::size_t tick) {
  Sample sample;
  sample.mono_ms = 1'000'000 + 1'000 * tick;
  sample.memory = {
      .pages = 1'000, .limits_pages = {{285'000, 380'000, 570'000}}, .under_pressure = false, .pressure_ms = {}};
  for (FactId fact : {FactId::snapshot, FactId::owners}) {
    sample.coverage.push_back({.fact = fact, .in_use = "made up", .exact = true, .remark = {}, .attempts = {}});
  }
  NetnsSample netns;
  netns.id = kNetns;
  netns.name = "host";
  netns.is_host = true;
  netns.counters = {{"Tcp.OutSegs", 100 * tick}, {"TcpExt.ListenOverflows", tick}};
  sample.netns.push_back(std::move(netns));
  return sample;
}

/// `processes` that do not close on each side: half-closed clients, servers in CLOSE_WAIT, each with a full listener.
inline Sample leaks(std::size_t tick, std::uint32_t processes) {
  Sample sample = an_empty_sample(tick);
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < processes; ++i) {
    Pid server = 2 * i + 2, client = 2 * i + 3;
    for (std::uint32_t k = 0; k < kSocketsEach; ++k, ++number) {
      sample.sockets.push_back(a_row(number, TcpState::close_wait, server, false));
      sample.sockets.push_back(a_row(number, TcpState::fin_wait_2, client, true));
    }
    SocketRow listener = a_row(number, TcpState::listen, server, false);
    listener.cookie = (std::uint64_t{1} << 40) + i;
    listener.remote = {};
    listener.accept_queue = listener.accept_limit = 128;
    listener.drops = 10 * tick;
    sample.sockets.push_back(std::move(listener));
    sample.owners.push_back(an_owner(server, TcpState::close_wait, false));
    sample.owners.push_back(an_owner(client, TcpState::fin_wait_2, true));
  }
  return sample;
}

/// Chains of ten programs, each of which has passed an end on to the next and waits; the last one does not close.
inline Sample relays(std::size_t tick, std::uint32_t chains) {
  constexpr std::uint32_t kHops = 10;
  Sample sample = an_empty_sample(tick);
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < chains; ++i) {
    for (std::uint32_t hop = 0; hop < kHops; ++hop) {
      Pid client = 2 * (i * (kHops + 1) + hop) + 2, server = client + 2;
      for (std::uint32_t k = 0; k < kSocketsEach; ++k, ++number) {
        SocketRow near = a_row(number, TcpState::fin_wait_2, client, true);
        SocketRow far = a_row(number, TcpState::close_wait, server, false);
        near.remote = far.local;
        far.remote = near.local;
        sample.sockets.push_back(std::move(near));
        sample.sockets.push_back(std::move(far));
      }
    }
    for (std::uint32_t hop = 0; hop <= kHops; ++hop) {
      OwnerTotals owner = an_owner(2 * (i * (kHops + 1) + hop) + 2, TcpState::close_wait, false);
      if (hop == 0) owner.sockets[index_of(TcpState::close_wait)] = owner.old_close_wait = 0;
      if (hop < kHops) owner.sockets[index_of(TcpState::fin_wait_2)] = owner.old_fin_wait_2 = kSocketsTotal;
      sample.owners.push_back(std::move(owner));
    }
  }
  return sample;
}

/// `ports` at which five connections each wait for accept(), none with a row; others came and are gone.
inline Sample waiting(std::size_t tick, std::uint32_t ports) {
  Sample sample = an_empty_sample(tick);
  sample.netns.front().counters["Tcp.PassiveOpens"] = 10 * tick;
  for (std::uint32_t i = 0; i < ports; ++i) {
    SocketRow listener = a_row(i, TcpState::listen, 2 * i + 2, false);
    listener.local.port = static_cast<std::uint16_t>(i + 1);
    listener.remote = {};
    listener.accept_queue = 5;
    listener.accept_limit = 128;
    listener.drops = 0;
    PortTotals port;
    port.netns = kNetns;
    port.port = listener.local.port;
    port.sockets[index_of(TcpState::established)] = 5;
    sample.ports.push_back(port);
    sample.sockets.push_back(std::move(listener));
    OwnerTotals owner = an_owner(2 * i + 2, TcpState::close_wait, false);
    owner.sockets = {};
    owner.sockets[index_of(TcpState::listen)] = 1;
    owner.old_close_wait = 0;
    sample.owners.push_back(std::move(owner));
  }
  return sample;
}

/// The same, and one port at which somebody may have accepted: then nobody knows whose queue moves.
inline Sample waiting_beside_one(std::size_t tick, std::uint32_t ports) {
  Sample sample = waiting(tick, ports);
  if (ports > 0) sample.ports.back().sockets[index_of(TcpState::established)] = 50;
  return sample;
}

/// `rows` of a hundred processes; every tenth has data that nobody reads.
inline Sample rows_of_few(std::size_t tick, std::uint32_t rows) {
  Sample sample = an_empty_sample(tick);
  for (std::uint32_t i = 0; i < rows; ++i) {
    SocketRow row = a_row(i / 2, TcpState::established, 2 + i % 100, i % 2 == 1);
    row.rcvbuf = 100'000;
    row.recv_q = i % 10 == 0 ? 90'000 : 0;
    row.rmem_alloc = row.recv_q;
    row.bytes_received = row.bytes_acked = 1'000 * tick;
    sample.sockets.push_back(std::move(row));
  }
  return sample;
}

/// `count` programs' queues that nobody empties, each read by a process that stands still.
inline Sample queues(std::size_t tick, std::uint32_t count) {
  Sample sample = an_empty_sample(tick);
  for (std::uint32_t i = 0; i < count; ++i) {
    SocketRow near = a_row(i, TcpState::established, 2 * i + 2, false);
    SocketRow far = a_row(i, TcpState::established, 2 * i + 3, true);
    near.send_q = 100'000;
    near.snd_wnd = 0;
    near.bytes_acked = 5'000;
    far.recv_q = far.rcvbuf.emplace(far.rmem_alloc.emplace(100'000));
    UserQueue queue;
    queue.netns = near.netns;
    queue.local = near.local;
    queue.remote = near.remote;
    queue.pid = near.owner->pid;
    queue.comm = near.owner->comm;
    queue.queued = 20'000;
    queue.high = 8'192;
    queue.low = 4'096;
    queue.busy = true;
    queue.accepted = 200'000;
    queue.suspended = 1;
    sample.sockets.push_back(std::move(near));
    sample.sockets.push_back(std::move(far));
    sample.user_queues.push_back(std::move(queue));
  }
  return sample;
}

template <typename Make>
Window window_of(Make make, std::uint32_t size) {
  std::vector<SamplePtr> samples;
  for (std::size_t tick = 0; tick < kTicks; ++tick) samples.push_back(std::make_shared<const Sample>(make(tick, size)));
  return Window(samples);
}

}  // namespace tcpadvisor::worlds
