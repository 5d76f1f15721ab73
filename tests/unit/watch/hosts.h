// SPDX-License-Identifier: Apache-2.0
// Hosts to draw: a quiet one, a busy one with faults, and one that shows little.
#pragma once

#include "agent/watch/view.h"
#include "tests/unit/builders.h"

namespace tcpadvisor::test {

using namespace std::chrono_literals;

inline SelfCost a_usual_cost() {
  return {.snapshot_ms = 1.84,
          .snapshot_age_ms = 12,
          .sockets_walked = 61,
          .partial = false,
          .partial_why = {},
          .cpu_percent = 0.3,
          .rss_bytes = 14u << 20,
          .hook_ns_per_s = 0,
          .hooks_not_measured = {},
          .lost = {{"events", 0}, {"rows", 0}}};
}

inline watch::Picture quiet_host() {
  watch::Picture picture;
  picture.window = build::a_window(3, [](build::SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, 2).count(TcpState::listen, 1);
    sample.add(build::a_socket().cookie(1).listen(22, 0, 128).pid(700, "sshd"));
    sample.add(build::a_socket().cookie(2).local(Endpoint::v4(10, 0, 0, 1, 22)).age(1h).pid(812, "sshd"));
    sample.add(build::a_process(700, "sshd").sockets(TcpState::listen, 1));
    sample.add(build::a_process(812, "sshd").sockets(TcpState::established, 1));
    sample.set([](Sample& s) { s.self = a_usual_cost(); });
  });
  return picture;
}

inline Finding a_leak() {
  Finding finding;
  finding.id = "close-wait-leak";
  finding.instance = "00c0ffee00c0ffee";
  finding.title = "api does not close connections that its peers have closed";
  finding.severity = Severity::critical;
  finding.scope = {.kind = ScopeKind::process,
                   .netns = build::kHostNetns,
                   .netns_name = "host",
                   .pid = 4711,
                   .comm = "api",
                   .cgroup = "/system.slice/api.service",
                   .local = {},
                   .remote = {},
                   .count = 50};
  finding.evidence = {{.metric = "close_wait_sockets",
                       .source = "iter/tcp",
                       .value = 50,
                       .unit = "sockets",
                       .threshold = 16,
                       .window_s = 30,
                       .samples = 31}};
  finding.meaning = "The peer has sent its FIN long ago; the kernel waits for the application to call close().";
  finding.recommendation.kind = RecommendationKind::application;
  finding.recommendation.text = "Close the socket when read() returns 0.";
  finding.recommendation.steps = {"find the connections with: ss -tanp state close-wait",
                                  "restart the process to free them now"};
  finding.recommendation.verify = "the count of CLOSE_WAIT sockets of the process stays below 16";
  finding.not_useful = {{"net.ipv4.tcp_keepalive_time", "a CLOSE_WAIT socket is alive, its peer answers"}};
  return finding;
}

inline Endpoint v6(std::uint8_t last, std::uint16_t port) {
  std::array<std::uint8_t, 16> ip{0x20, 0x01, 0x0d, 0xb8};
  ip[15] = last;
  return Endpoint::from_bytes(ip, port);
}

/// A reader that does not read, a leak of CLOSE_WAIT, a full accept queue, memory pressure, and the rest of a host's
/// life.
/// Far more than have rows.
inline NetworkTotals clients_of_nginx() {
  NetworkTotals out;
  out.netns = build::kHostNetns;
  out.pid = 812, out.comm = "nginx";
  out.accepted = true, out.port = 443;
  out.network = Endpoint::v4(10, 0, 9, 0, 0);
  out.sockets[index_of(TcpState::established)] = 196'000;
  out.looked = 6'000, out.one_in = 32;
  out.keepalive = 6'000, out.nodelay = 5'990;
  out.idle = {40, 60, 900, 2'000, 3'000, 0};
  out.fwd_alloc = 1 << 20, out.bytes_sent = 9'000'000, out.bytes_received = 1'200'000;
  out.resting_bytes = 1 << 20, out.resting_rcvbuf = 700 << 20;
  return out;
}

inline watch::Picture busy_host() {
  using build::a_process;
  using build::a_socket;
  watch::Picture picture;
  picture.window = build::a_window(3, [](build::SampleBuilder& sample, std::size_t i) {
    auto n = static_cast<std::uint32_t>(i);
    sample.set([&](Sample& s) {
      s.host = {.name = "db1",
                .kernel = "6.12.30-cloud-amd64",
                .cpus = 16,
                .mem_bytes = 64ull << 30,
                .mem_available_bytes = 20ull << 30,
                .uptime_s = 12 * 86'400 + 3 * 3'600};
      s.memory.pages = 410'000;
      s.memory.under_pressure = true;
      s.memory.pressure_ms = 12'000;
      s.self = a_usual_cost();
      s.self.sockets_walked = 198'112;
      s.self.snapshot_ms = 97.4;
      s.self.lost["events"] = 17;
      s.rows_suppressed = 12'345;
      s.networks = {test::clients_of_nginx()};
      s.netns.push_back({.id = 4026532000,
                         .name = "blue",
                         .is_host = false,
                         .error = {},
                         .states = {},
                         .counters = {},
                         .sysctls = {},
                         .sockstat = {}});
    });
    sample.count(TcpState::established, 196'400 + 120 * n)
        .count(TcpState::listen, 12)
        .count(TcpState::time_wait, 1'204 - 3 * n);
    sample.count(TcpState::close_wait, 46 + 2 * n).count(TcpState::fin_wait_2, 31).count(TcpState::new_syn_recv, 7);

    Endpoint sender = Endpoint::v4(127, 0, 0, 1, 48'222), reader = Endpoint::v4(127, 0, 0, 1, 9'000);
    sample.add(a_socket()
                   .cookie(10)
                   .local(sender)
                   .remote(reader)
                   .age(95s)
                   .pid(2'001, "beam.smp")
                   .send_q(130'944)
                   .set([](SocketRow& r) {
                     r.not_sent = 40'000;
                     r.snd_wnd = 0;
                     r.srtt_us = 312;
                     r.total_retrans = 0;
                   }));
    sample.add(a_socket()
                   .cookie(11)
                   .local(reader)
                   .remote(sender)
                   .age(95s)
                   .pid(2'002, "python3")
                   .recv_q(2'201'600)
                   .set([](SocketRow& r) { r.rcv_wnd = 0; }));
    sample.add(a_socket()
                   .cookie(12)
                   .local(v6(1, 443))
                   .remote(v6(0x77, 50'123))
                   .age(12min + 30s)
                   .pid(812, "nginx")
                   .send_q(65'160)
                   .set([&](SocketRow& r) {
                     r.not_sent = 0;
                     r.snd_wnd = 64'240;
                     r.srtt_us = 81'200;
                     r.total_retrans = 3;
                     r.bytes_acked = 900'000'000 + 12'582'912ull * n;
                     r.bytes_received = 40'000 + 1'200ull * n;
                     r.owner->holders = 4;
                   }));
    sample.add(a_socket()
                   .cookie(13)
                   .local(Endpoint::v4(10, 0, 0, 1, 5'432))
                   .remote(Endpoint::v4(10, 0, 0, 9, 41'000))
                   .age(3s)
                   .pid(900, "postgres")
                   .recv_q(512)
                   .set([](SocketRow& r) {
                     r.rcv_wnd = 65'536;
                     r.srtt_us = 410;
                   }));
    sample.add(a_socket()
                   .cookie(14)
                   .netns(4026532000)
                   .local(Endpoint::v4(10, 1, 0, 2, 8'080))
                   .remote(Endpoint::v4(10, 1, 0, 1, 41'234))
                   .close_wait()
                   .age(70s)
                   .pid(4'711, "api")
                   .set([](SocketRow& r) {
                     r.recv_q = 18;
                     r.cgroup = "/system.slice/api.service";
                   }));
    sample.add(a_socket()
                   .cookie(15)
                   .local(Endpoint::v4(10, 1, 0, 1, 41'234))
                   .remote(Endpoint::v4(10, 1, 0, 2, 8'080))
                   .fin_wait_2()
                   .age(40s, true)
                   .holder(Holder::orphan));
    sample.add(3, a_socket().local(Endpoint::v4(10, 0, 0, 1, 8'443)).close_wait().age(80s).pid(4'711, "api"), 500);
    sample.add(a_socket().cookie(20).listen(8'443, 129, 128).pid(4'711, "api").drops(204 + n).set([](SocketRow& r) {
      r.accept_peak = 129;
    }));
    sample.add(a_socket().cookie(21).listen(443, 3, 4'096).pid(812, "nginx").drops(0).set([](SocketRow& r) {
      r.owner->holders = 4;
    }));
    sample.add(a_socket().cookie(22).listen(5'432, 0, 128).pid(900, "postgres").drops(0));
    sample.add(a_process(2'001, "beam.smp")
                   .sockets(TcpState::established, 1)
                   .memory(0, 262'144)
                   .fds(40, 65'536)
                   .cgroup("/system.slice/rabbitmq-server.service"));
    sample.add(a_process(2'002, "python3")
                   .sockets(TcpState::established, 1)
                   .memory(4'400'000, 0, 2'201'600)
                   .fds(12, 1'024)
                   .cgroup("/user.slice/user-1000.slice/session-3.scope"));
    sample.add(a_process(4'711, "api")
                   .sockets(TcpState::listen, 1)
                   .close_wait(44 + 2 * n, 40)
                   .fds(980, 1'024)
                   .cgroup("/system.slice/api.service"));
    sample.add(a_process(812, "nginx")
                   .sockets(TcpState::established, 196'000)
                   .sockets(TcpState::listen, 1)
                   .fds(196'100, 1'048'576)
                   .cgroup("/system.slice/docker-" + std::string(64, 'a') + ".scope"));
    sample.set([&](Sample& s) {
      PortTotals api{.netns = build::kHostNetns,
                     .port = 8'443,
                     .sockets = {},
                     .unaccepted_close_wait = 5,
                     .recv_q = 18,
                     .send_q = 0};
      api.sockets[index_of(TcpState::established)] = 129;
      api.sockets[index_of(TcpState::close_wait)] = 44 + 2 * n;
      s.ports.push_back(api);
      Endpoint here = Endpoint::v4(10, 0, 0, 1, 0);
      s.port_use = {{build::kHostNetns, here, Endpoint::v4(10, 0, 0, 5, 5432), 28'230, 28'100},
                    {build::kHostNetns, here, Endpoint::v4(10, 0, 0, 7, 443), 23'500, 120},
                    {build::kHostNetns, here, v6(5, 9001), 41, 0}};
      s.netns.front().conntrack->count = 1'200;
      for (const char* name : {"Conntrack.drop", "Conntrack.insert_failed", "Conntrack.early_drop"})
        s.netns.front().counters[name] = 3;
      s.retransmits = {{.netns = build::kHostNetns,
                        .destination = Endpoint::v4(10, 0, 0, 9, 0),
                        .segments = {.fast = 40, .tail_probe = 7, .timeout = 2, .after_timeout = 3, .syn = 1},
                        .last_ms_ago = 800}};
      s.failed_connects = {
          {build::kHostNetns, 4711, "api", Endpoint::v4(10, 0, 0, 5, 5432), ConnectEnd::no_port, 18, 40, 0},
          {build::kHostNetns, 0, "", Endpoint::v4(10, 0, 0, 8, 80), ConnectEnd::refused, 7, 900, 1}};
    });
  });
  Finding slow;
  slow.id = "reader-too-slow";
  slow.instance = "0123456789abcdef";
  slow.title = "python3 reads slower than its peer sends: 2.1 MiB wait in Recv-Q behind a closed window";
  slow.severity = Severity::warning;
  slow.scope = {.kind = ScopeKind::process,
                .netns = build::kHostNetns,
                .netns_name = "host",
                .pid = 2'002,
                .comm = "python3",
                .cgroup = {},
                .local = {},
                .remote = {},
                .count = 1};
  slow.evidence = {{.metric = "recv_q",
                    .source = "iter/tcp",
                    .value = 2'201'600,
                    .unit = "bytes",
                    .threshold = {},
                    .window_s = 30,
                    .samples = 31}};
  picture.verdict.findings = {a_leak(), slow};
  return picture;
}

/// A leak of 900 connections, 2,000 idle ones from two networks, 40 that nobody reads, and a port mapper; in a pod, a
/// unit and a user's slice.
inline watch::Picture flooded_host() {
  using build::a_process;
  using build::a_socket;
  const std::string pod = "3f0cbb6a-7f5d-4f0b-9a51-0a5ec3b0d2f4", container(64, 'c');
  watch::Picture picture;
  picture.window = build::a_window(3, [&](build::SampleBuilder& sample, std::size_t) {
    sample.count(TcpState::established, 2'080).count(TcpState::close_wait, 900).count(TcpState::listen, 1'501);
    sample.add(a_socket().cookie(1).listen(8'443, 0, 128).pid(4'711, "api").drops(0));
    sample.add(900, a_socket().close_wait().age(12min).pid(4'711, "api"), 10'000);
    for (std::uint8_t network : {7, 8}) {
      SocketRow idle =
          a_socket().local(Endpoint::v4(10, 0, 0, 1, 443)).age(5min).pid(812, "nginx").set([](SocketRow& r) {
            r.srtt_us = 9'000;
            r.bytes_acked = 5'000;
            r.bytes_received = 700;
          });
      for (std::uint16_t i = 0; i < 1'000; ++i) {
        idle.cookie = 20'000u + network * 1'000u + i;
        idle.remote = Endpoint::v4(192, 168, network, static_cast<std::uint8_t>(i % 250), 30'000 + i);
        sample.add(idle);
      }
    }
    for (std::uint16_t i = 0; i < 40; ++i) {
      Endpoint here = Endpoint::v4(10, 244, 0, 5, 41'000 + i), there = Endpoint::v4(10, 244, 0, 9, 6'379);
      sample.add(a_socket()
                     .cookie(40'000 + i)
                     .local(here)
                     .remote(there)
                     .age(42s + 1s * i)
                     .pid(5'500, "publisher")
                     .send_q(100'000)
                     .set([](SocketRow& r) {
                       r.not_sent = 35'000;
                       r.snd_wnd = 0;
                       r.total_retrans = 0;
                     }));
      sample.add(
          a_socket().cookie(41'000 + i).local(there).remote(here).age(42s).pid(5'600, "subscriber").recv_q(131'072));
    }
    for (std::uint16_t i = 0; i < 1'500; ++i)
      sample.add(a_socket().cookie(50'000 + i).listen(10'000 + i, 0, 128).pid(6'000, "portmapper").drops(0));
    const std::string in_pod = "/kubepods/burstable/pod" + pod + "/" + container;
    sample.add(
        a_process(4'711, "api").sockets(TcpState::listen, 1).close_wait(900, 900).cgroup("/system.slice/api.service"));
    sample.add(a_process(812, "nginx").sockets(TcpState::established, 1'200).cgroup("/system.slice/nginx.service"));
    sample.add(a_process(813, "nginx").sockets(TcpState::established, 800).cgroup("/system.slice/nginx.service"));
    sample.add(a_process(5'500, "publisher").sockets(TcpState::established, 40).memory(0, 6'000'000).cgroup(in_pod));
    sample.add(a_process(5'600, "subscriber")
                   .sockets(TcpState::established, 40)
                   .memory(9'000'000, 0, 5'242'880)
                   .cgroup(in_pod));
    sample.add(a_process(6'000, "portmapper")
                   .sockets(TcpState::listen, 1'500)
                   .cgroup("/user.slice/user-1000.slice/session-3.scope"));
    sample.set([&](Sample& s) {
      s.self = a_usual_cost();
      s.self.sockets_walked = 4'481;
      s.group_names = {{container, "shop/feed-7d9f5c/feed"}, {pod, "shop/feed-7d9f5c"}};
    });
  });
  return picture;
}

/// Programs with queues of their own: one whose peer does not read, one that lets senders pass, one with a peer
/// elsewhere, one that has ended with a loss, and one whose socket has no row.
inline watch::Picture host_with_user_queues() {
  using build::a_socket;
  using build::a_user_queue;
  watch::Picture picture;
  picture.window = build::a_window(3, [](build::SampleBuilder& sample, std::size_t) {
    Endpoint sender = Endpoint::v4(127, 0, 0, 1, 48'222), reader = Endpoint::v4(127, 0, 0, 1, 9'000);
    SocketRow stuck = a_socket()
                          .cookie(10)
                          .local(sender)
                          .remote(reader)
                          .age(95s)
                          .pid(2'001, "beam.smp")
                          .send_q(130'944)
                          .set([](SocketRow& r) {
                            r.not_sent = 40'000;
                            r.snd_wnd = 0;
                          });
    sample.add(stuck);
    sample.add(a_socket()
                   .cookie(11)
                   .local(reader)
                   .remote(sender)
                   .age(95s)
                   .pid(2'002, "python3")
                   .recv_q(2'201'600)
                   .set([](SocketRow& r) { r.rcv_wnd = 0; }));
    sample.add(a_user_queue().of(stuck).queued(778'763, 3'111'307).busy(1, 2).pending_shutdown().set([](UserQueue& q) {
      q.name = "#Port<0.5>";
      q.waited_ms = 12'300;
      q.age_ms = 140;
    }));
    SocketRow bypassed = a_socket()
                             .cookie(12)
                             .local(Endpoint::v4(10, 0, 0, 1, 4'370))
                             .remote(Endpoint::v4(10, 0, 0, 9, 41'000))
                             .age(3min)
                             .pid(2'001, "beam.smp")
                             .send_q(65'160)
                             .set([](SocketRow& r) { r.snd_wnd = 64'240; });
    sample.add(bypassed);
    sample.add(a_user_queue().of(bypassed).queued(52'428'800, 60'000'000).bypassed(51'380'224).set([](UserQueue& q) {
      q.busy = true;
    }));
    SocketRow held = a_socket()
                         .cookie(13)
                         .local(Endpoint::v4(10, 0, 0, 1, 5'432))
                         .remote(Endpoint::v4(10, 0, 0, 9, 41'001))
                         .age(3s)
                         .pid(900, "sender");
    sample.add(held);
    sample.add(a_user_queue().of(held).message_queue(9'216, 16));
    SocketRow gone = a_socket().local(sender).remote(Endpoint::v4(127, 0, 0, 1, 9'001)).pid(2'001, "beam.smp");
    sample.add(a_user_queue().of(gone).queued(0, 1'047'552).dropped(778'763).ended().set([](UserQueue& q) {
      q.age_ms = 4'000;
    }));
    SocketRow without_row = a_socket().cookie(99).local(v6(1, 443)).remote(v6(0x77, 50'123)).pid(812, "nginx");
    sample.add(a_user_queue().of(without_row).queued(700, 700));
    sample.set([](Sample& s) { s.self = a_usual_cost(); });
  });
  return picture;
}

/// Without privileges: /proc/net/tcp only, no owners, no memory.
inline watch::Picture unprivileged() {
  watch::Picture picture;
  picture.window = build::a_window(2, [](build::SampleBuilder& sample, std::size_t) {
    sample.cover("snapshot", "/proc/net/tcp").cover("owners", "");
    sample.count(TcpState::established, 2).count(TcpState::close_wait, 3).count(TcpState::listen, 1);
    sample.add(build::a_socket().cookie(0).holder(Holder::unknown).recv_q(4'096));
    sample.add(2, build::a_socket().cookie(0).close_wait().holder(Holder::unknown), 0);
    sample.add(build::a_socket().cookie(0).listen(22, 0, 128).holder(Holder::unknown).set([](SocketRow& r) {
      r.accept_limit.reset();
    }));
    sample.set([](Sample& s) {
      s.self = a_usual_cost();
      s.self.partial = true;
      s.self.partial_why = "3 namespaces need CAP_SYS_ADMIN";
      s.memory.pages.reset();
      s.memory.limits_pages.reset();
    });
  });
  return picture;
}

}  // namespace tcpadvisor::test
