// SPDX-License-Identifier: Apache-2.0
// tcpfault: makes one real TCP fault with real processes, says so in one line of JSON, and holds it for a while.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/scenario/faults.h"
#include "tests/scenario/netns.h"

namespace tcpfault {

void need_own_netns(const Request& request) {
  if (!request.private_netns) throw Skip("changes settings or interfaces: only in a namespace of its own");
}

namespace {

constexpr std::uint64_t kDefaultHoldMs = 20'000, kMaxHoldMs = 24 * 3'600'000;
constexpr int kExitFailed = 1, kExitUsage = 2, kExitSkipped = 77;

/// Several harmless faults side by side, for a screen with something on it.
Scene make_demo(Stage& stage, const Request& request) {
  Request small = request;
  small.port = 0;
  Scene scene;
  const auto add = [&](Scene (*make)(Stage&, const Request&), int count, double grow_per_s) {
    small.count = count;
    small.grow_per_s = grow_per_s;
    std::ranges::move(make(stage, small), std::back_inserter(scene));
  };
  add(make_close_wait, 40, 0.5);
  add(make_close_wait_unaccepted, 20, 0);
  add(make_fin_wait2_held, 20, 0);
  add(make_slow_reader, 3, 0);
  add(make_accept_slow, 60, 0);
  return scene;
}

}  // namespace

const std::vector<FaultKind>& fault_kinds() {
  static const std::vector<FaultKind> kinds{
      {"close-wait", "a server accepts and never closes, its clients have closed", 50, 10'000, make_close_wait},
      {"close-wait-unaccepted", "a listener never accepts, its clients have closed", 50, 4'000,
       make_close_wait_unaccepted},
      {"never-accepts", "a listener never accepts, its clients have asked and wait", 40, 4'000, make_never_accepts},
      {"fin-wait2-held", "a client shuts down writing and keeps its sockets; the server does not close", 50, 10'000,
       make_fin_wait2_held},
      {"fin-wait2-orphan", "closed connections whose far peers never close; stands for 50 s", 400, 10'000,
       make_fin_wait2_orphan},
      {"closed-fd-leak", "leaked sockets that keepalive has killed: the descriptors stay", 80, 10'000,
       make_closed_fd_leak},
      {"close-unread", "COUNT requests refused unread, then 50 a second: the client is reset", 20, 10'000,
       make_close_unread},
      {"close-read", "nothing wrong: the same, read before they are refused", 20, 10'000, make_close_read},
      {"backlog-drops", "recv() waits for memory, COUNT times at first, and holds a socket with a small buffer", 1, 100,
       make_backlog_drops},
      {"slow-reader", "readers that take nothing (or --read) from eager senders", 3, 100, make_slow_reader},
      {"accept-slow", "listen(64), 50 ms of work per accept, COUNT connections a second", 110, 1'000, make_accept_slow},
      {"backlog-small", "listen(8), a stall of 0.3 s at each burst of COUNT connections", 200, 1'000,
       make_backlog_small},
      {"somaxconn-small", "a namespace's somaxconn of 16 cuts listen(1024), bursts as above", 200, 1'000,
       make_somaxconn_small},
      {"reuseport-stuck", "four workers listen on one port, and one of them hangs", 80, 400, make_reuseport_stuck},
      {"relay", "frontends closed, a proxy passed that on, and the backend does not close", 20, 1'000, make_relay},
      {"relay-stuck", "a proxy between eager senders and a backend that does not read", 4, 100, make_relay_stuck},
      {"both-write", "two programs write to each other on COUNT connections, and neither reads", 1, 100,
       make_both_write},
      {"idle-pool", "nothing wrong: a client's pool whose connections the server has closed", 12, 1'000,
       make_idle_pool},
      {"swept-leak", "a client forgets COUNT connections a second, and a collector closes them every 7 s", 20, 100,
       make_swept_leak},
      {"collected",
       "a client asks COUNT times a second, forgets each connection, and a collector closes them 4 times a s", 60, 200,
       make_collected},
      {"idle-timer", "nothing wrong: the same, but what has rested for a second is closed", 60, 200, make_idle_timer},
      {"asks-at-once", "nothing wrong: COUNT questions a second in four groups, each closed together", 60, 400,
       make_asks_at_once},
      {"rounds-of-events", "nothing wrong: a server takes COUNT connections a second in two rounds, reads and closes",
       90, 400, make_rounds_of_events},
      {"rounds-of-probes", "nothing wrong: the same, and no connection has a byte", 90, 400, make_rounds_of_probes},
      {"no-timeouts", "connections to a far peer that rest, without keepalive or any time-out", 60, 4'000,
       make_no_timeouts},
      {"some-timeouts", "nothing wrong: the same with SO_KEEPALIVE or SO_RCVTIMEO", 60, 4'000, make_some_timeouts},
      {"marks-small", "a program's own queue has marks of 8 and 4 KiB on a path of 100 Mbit/s, 20 ms", 1, 1,
       make_marks_small},
      {"marks-large", "the same with marks of 16 and 8 MiB", 1, 1, make_marks_large},
      {"marks-right", "nothing wrong: the same with marks of 512 and 256 KiB", 1, 1, make_marks_right},
      {"md5-missing", "a listener wants TCP MD5 signatures, its neighbour sends none", 1, 1, make_md5_missing},
      {"socket-filter", "a filter on the listening socket drops all SYNs", 1, 1, make_socket_filter},
      {"syn-flood", "COUNT SYNs a second from addresses that never answer", 400, 5'000, make_syn_flood},
      {"defer-silent", "TCP_DEFER_ACCEPT, and clients that wait for the server to speak first", 40, 1'000,
       make_defer_silent},
      {"defer-accept", "nothing wrong: TCP_DEFER_ACCEPT, and clients that take their time", 20, 200, make_defer_accept},
      {"stray-segments", "nothing wrong: a scan sends COUNT segments a second that open nothing", 40, 1'000,
       make_stray_segments},
      {"fork-server", "a worker does not read, its parent keeps the descriptor", 1, 1, make_fork_server},
      {"zombie-leader", "four threads hold CLOSE_WAIT sockets, the main thread has ended", 12, 1'000,
       make_zombie_leader},
      {"socket-activation", "a service hangs, its manager holds the listener, too", 12, 1'000, make_socket_activation},
      {"mptcp-unaccepted", "an MPTCP listener never accepts, its clients have closed", 12, 1'000,
       make_mptcp_unaccepted},
      {"inherited", "a child holds COUNT sockets that the program which started it has closed", 12, 1'000,
       make_inherited},
      {"passed-on", "connections on their way in messages that nobody receives", 12, 200, make_passed_on},
      {"connect-refused", "a client of a port on which nobody listens", 1, 1, make_connect_refused},
      {"connect-no-answer", "a client whose SYNs are lost, to the end of the kernel's patience", 1, 1,
       make_connect_no_answer},
      {"connect-no-route", "a client of an address without a route", 1, 1, make_connect_no_route},
      {"connect-given-up", "a client whose SYNs are lost, and that gives up after 1 s", 1, 1, make_connect_given_up},
      {"connect-no-port", "a client that has used up COUNT local ports towards its server", 300, 20'000,
       make_connect_no_port},
      {"connect-no-bind-port", "a client that calls bind() before connect(), and has taken all COUNT local ports so",
       300, 20'000, make_connect_no_bind_port},
      {"connect-listener-full", "a client of a listener on this host whose queue is full", 1, 1,
       make_connect_listener_full},
      {"many-listeners", "nothing wrong: COUNT listeners, most of them in the range of local ports", 1'500, 20'000,
       make_many_listeners},
      {"server-time-wait", "nothing wrong: COUNT connections in TIME_WAIT at a server's port", 20'000, 25'000,
       make_server_time_wait},
      {"time-wait-overflow", "COUNT connections closed, then 20 a second, with room for 30 in TIME_WAIT", 100, 10'000,
       make_time_wait_overflow},
      {"abort-on-overflow", "a full queue of COUNT places answers with resets", 32, 1'000, make_abort_on_overflow},
      {"recovery-settings", "nothing happens, but tcp_sack is off and tcp_retries2 is 3", 1, 1, make_recovery_settings},
      {"conntrack-entries", "one tracked connection for every 80 that may be, and COUNT more", 10, 1'000,
       make_conntrack_entries},
      {"rcvbuf-locked", "bulk over 30 ms into SO_RCVBUF 65536", 1, 1, make_rcvbuf_locked},
      {"sndbuf-locked", "bulk over 30 ms out of SO_SNDBUF 65536", 1, 1, make_sndbuf_locked},
      {"sndbuf-enough", "nothing wrong: SO_SNDBUF 524288 and a path of 20 Mbit/s whose queue is full", 1, 1,
       make_sndbuf_enough},
      {"rmem-capped", "bulk over 30 ms into a namespace whose tcp_rmem ends at 128 KiB", 1, 1, make_rmem_capped},
      {"rmem-capped-fast", "bulk over 50 ms and 400 Mbit/s into a namespace whose tcp_rmem ends at 2.5 MB", 1, 1,
       make_rmem_capped_fast},
      {"rmem-fast", "nothing wrong: the same, and tcp_rmem ends at 8 MiB", 1, 1, make_rmem_fast},
      {"wmem-capped-fast", "bulk over 50 ms and 400 Mbit/s out of a namespace whose tcp_wmem ends at 2.5 MB", 1, 1,
       make_wmem_capped_fast},
      {"wmem-fast", "nothing wrong: the same, and tcp_wmem ends at 8 MiB", 1, 1, make_wmem_fast},
      {"moderate-off", "bulk over 30 ms into a namespace where tcp_moderate_rcvbuf is 0", 1, 1, make_moderate_off},
      {"writes-slowly", "nothing wrong: a sender over 30 ms and 100 Mbit/s has 64 KiB to send every 50 ms", 1, 1,
       make_writes_slowly},
      {"tiny-segments", "messages of 10 bytes without a pause, and a reader that sleeps for a second at a time", 1, 1,
       make_tiny_segments},
      {"tiny-bursts", "bursts of messages of 10 bytes, and a reader that keeps up but looks every 60 ms", 6, 100,
       make_tiny_bursts},
      {"cgroup-full", "COUNT readers in a cgroup whose sockets may take 4 MiB", 40, 1'000, make_cgroup_full},
      {"orphans-unsent", "connections closed with unsent data, to a reader that does not read", 30, 1'000,
       make_orphans_unsent},
      {"bulk-far", "nothing wrong: bulk over 30 ms and 100 Mbit/s, and the kernel sizes the buffers", 1, 1,
       make_bulk_far},
      {"rmem-enough", "nothing wrong: tcp_rmem ends at 1 MiB, which is more than the path holds", 1, 1,
       make_rmem_enough},
      {"wmem-capped", "bulk over 30 ms out of a namespace whose tcp_wmem ends at 128 KiB", 1, 1, make_wmem_capped},
      {"messages-wait", "messages with answers over 30 ms and 20 Mbit/s, written as fast as send() takes them", 1, 1,
       make_messages_wait},
      {"slow-reader-far", "bulk over 30 ms to a reader that takes 64 KiB every 20 ms", 1, 1, make_slow_reader_far},
      {"nagle-stall", "a client writes each request in two pieces, 64 and 1,000 bytes, without TCP_NODELAY", 2, 100,
       make_nagle_stall},
      {"one-write", "nothing wrong: one write for each request, without TCP_NODELAY, to a server that takes 60 ms", 2,
       100, make_one_write},
      {"lossy-path", "bulk by cubic over 40 ms and 100 Mbit/s; one packet in 100 is lost", 1, 1, make_lossy_path},
      {"local-filter", "the same without losses on the way; a rule of this host's packet filter drops one in 150", 1, 1,
       make_local_filter},
      {"tail-loss", "short answers over 5 ms, one at a time; one in 20 is lost", 1, 1, make_tail_loss},
      {"syn-lost", "clients that connect over 10 ms; of the first SYNs one in 5 is lost", 8, 8, make_syn_lost},
      {"full-path", "COUNT bulk flows by cubic over 20 ms and 20 Mbit/s, and the queue of the path overflows", 8, 100,
       make_full_path},
      {"reordering", "nothing wrong: bulk over 20 ms, and one packet in 100 is overtaken by those behind it", 1, 1,
       make_reordering},
      {"slow-bursts", "1 MB by cubic over 60 ms, then a pause, again and again", 1, 1, make_slow_bursts},
      {"bursts-bbr", "nothing wrong: the same bursts by bbr", 1, 1, make_bursts_bbr},
      {"mtu-blackhole", "a path on which packets of more than 1,300 bytes vanish, small requests pass", 1, 1,
       make_mtu_blackhole},
      {"hole-given-up", "the same, and COUNT clients limit each connection to a second by TCP_USER_TIMEOUT", 4, 32,
       make_hole_given_up},
      {"mem-pressure", "tcp_mem lowered and filled with unread data; only in a guest", 400, 2'000, make_mem_pressure},
      {"process-stopped", "a server is stopped by a signal; clients have asked, and more connect", 3, 100,
       make_process_stopped},
      {"workers-stopped", "all COUNT workers of a server are stopped, and their parent runs", 4, 16,
       make_workers_stopped},
      {"fd-limit", "a server has 64 of 64 descriptors open; clients wait for accept()", 20, 1'000, make_fd_limit},
      {"established-growth", "a client asks, keeps each connection and opens 20 more a second (--grow)", 20, 1'000,
       make_established_growth},
      {"peer-not-reading", "a sender to a far peer whose window stays closed", 4, 100, make_peer_not_reading},
      {"dead-peers", "a sender whose far peers have vanished: nothing it sends is answered", 30, 1'000,
       make_dead_peers},
      {"orphans", "a sender closes connections whose far peer has taken nothing", 30, 1'000, make_orphans},
      {"linger-close", "close() with SO_LINGER 60 waits for a far peer that does not read", 1, 1, make_linger_close},
      {"linger-loses", "a server answers 8 MiB and closes at once with SO_LINGER 0", 20, 1'000, make_linger_loses},
      {"linger-aborts", "nothing lost: a server answers, waits, and closes with SO_LINGER 0", 20, 1'000,
       make_linger_aborts},
      {"vanished-clients", "COUNT clients of a server without keepalive have vanished", 40, 1'000,
       make_vanished_clients},
      {"stands-still", "a server has answered COUNT clients, and then reads nothing more of any", 30, 1'000,
       make_stands_still},
      {"unread-forgotten", "an event loop reads a part of COUNT requests, and is not told of the rest", 12, 1'000,
       make_unread_forgotten},
      {"connection-per-request", "a client opens a connection for each request: COUNT, then 40 a second", 800, 20'000,
       make_connection_per_request},
      {"hidden-user-queue", "the same sender keeps 2.5 MiB more a second for it", 4, 100, make_hidden_user_queue},
      {"pool", "nothing wrong: COUNT connections, opened at once and kept idle", 300, 2'000, make_pool},
      {"healthy", "nothing wrong: COUNT short connections, then 200 a second, and a steady one", 3'000, 20'000,
       make_healthy},
      {"bulk", "nothing wrong: one loopback flow at full speed", 1, 1, make_bulk},
      {"half-close", "nothing wrong: clients have shut down writing, and read answers that stream", 20, 500,
       make_half_close},
      {"busy-server", "nothing wrong: COUNT idle connections, calls on one, and 100 short connections a second", 300,
       2'000, make_busy_server},
      {"prefork", "nothing wrong: COUNT workers share a listener", 8, 100, make_prefork},
      {"reuseport-even", "nothing wrong: COUNT listeners on one port, and all of them serve", 4, 100,
       make_reuseport_even},
      {"fast-open", "nothing wrong: requests that come with the SYN (TCP_FASTOPEN)", 20, 200, make_fast_open},
      {"keepalive", "nothing wrong: COUNT idle connections that both ends probe every second", 60, 1'000,
       make_keepalive},
      {"few-at-a-time", "nothing wrong: COUNT clients are served at a time, twice as many wait for accept()", 4, 20,
       make_few_at_a_time},
      {"own-limit", "nothing wrong: the same beside another server, with COUNT at a time and 10 that wait", 10, 50,
       make_own_limit},
      {"fills-up", "nothing wrong: a client opens COUNT standing connections, 30 a second, and then no more", 150,
       1'000, make_fills_up},
      {"ipv6-first", "nothing wrong: a client tries ::1 in vain, and goes on with 127.0.0.1", 20, 200, make_ipv6_first},
      {"closes-late", "nothing wrong: a server closes each connection 6 s after its client has", 100, 500,
       make_closes_late},
      {"idle", "nothing wrong: a listener that nobody visits", 1, 1, make_idle},
      {"demo", "several harmless faults at once, always in a namespace of its own", 1, 1, make_demo},
  };
  return kinds;
}

namespace {

nlohmann::json to_json(const Standing& standing) {
  nlohmann::json json{{"fault", standing.fault},
                      {"pid", standing.pid},
                      {"peer_pid", standing.peer_pid},
                      {"port", standing.port},
                      {"count", standing.count}};
  if (standing.peer_netns != 0) {
    json["peer_netns"] = standing.peer_netns;
  }
  return json;
}

void print(const nlohmann::json& line) {
  std::puts(line.dump().c_str());
  std::fflush(stdout);
}

/// True if this is not the namespace of the machine's first process. Unprivileged callers cannot tell and get false.
bool in_private_netns() {
  struct stat first{}, ours{};
  return stat("/proc/1/ns/net", &first) == 0 && stat("/proc/self/ns/net", &ours) == 0 && first.st_ino != ours.st_ino;
}

/// Waits until the time is over, a signal asks us to end, or an actor is gone (then false).
bool hold(const Stage& stage, const sigset_t& signals, Millis time) {
  const auto deadline = Clock::now() + time;
  while (Clock::now() < deadline) {
    if (!stage.is_complete()) {
      return false;
    }
    const timespec tick{.tv_sec = 0, .tv_nsec = 200'000'000};
    if (sigtimedwait(&signals, nullptr, &tick) > 0) {
      return true;
    }
  }
  return true;
}

int run(const FaultKind& kind, Request request, bool own_netns, Millis time, const sigset_t& signals) {
  if (own_netns) {
    enter_new_netns();
  }
  request.private_netns = request.private_netns || own_netns || in_private_netns();
  Stage stage;
  const Scene scene = kind.make(stage, request);
  nlohmann::json line{{"ready", true}};
  if (scene.size() == 1) {
    line.update(to_json(scene.front()));
  } else {
    for (const Standing& standing : scene) {
      line["faults"].push_back(to_json(standing));
    }
  }
  line["fault"] = kind.name;
  line["netns"] = netns_inode(this_netns());
  print(line);
  if (!hold(stage, signals, time)) {
    std::fprintf(stderr, "tcpfault: a process of %s ended before its time\n", std::string(kind.name).c_str());
    return kExitFailed;
  }
  return 0;
}

}  // namespace
}  // namespace tcpfault

int main(int argc, char** argv) {
  using namespace tcpfault;

  CLI::App app(
      "Makes one real TCP fault with real processes and holds it, in this network namespace or in a new one.\n"
      "Prints one line of JSON when the fault stands. Exit codes: 0 held to the end, 1 failed, 2 wrong usage,\n"
      "77 this host cannot make it (the JSON line says why).");
  std::string name;
  std::uint64_t hold_ms = 0;
  bool own_netns = false;
  Request request;
  std::vector<std::string> names;
  for (const FaultKind& kind : fault_kinds()) {
    names.emplace_back(kind.name);
  }
  app.add_option("fault", name, "which one")->required()->check(CLI::IsMember(names));
  app.add_option("--hold", hold_ms,
                 "for how long, for example 20s (the default) or 5m; a demo lasts until its parent ends")
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, std::uint64_t>{{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}}))
      ->check(CLI::Range(std::uint64_t{1}, kMaxHoldMs));
  app.add_option("--count", request.count, "how many connections; each fault has its own default")
      ->check(CLI::PositiveNumber);
  app.add_option("--port", request.port, "the server's port; any free one if not given");
  app.add_option("--grow", request.grow_per_s, "leaks: so many more connections a second")
      ->check(CLI::Range(0.01, 1'000.0));
  app.add_option("--read", request.read_bytes, "slow readers: take so many bytes every 200 ms (0: none)")
      ->check(CLI::Range(0, kMaxReadBytes));
  app.add_option("--congestion-control", request.congestion_control, "of the bulk senders");
  app.add_flag("--own-netns", own_netns, "make the fault in a network namespace of its own");
  app.add_flag("--in-test-netns", request.private_netns,
               "this network namespace was made for tests: its settings and interfaces may be changed");
  app.add_flag("--i-am-a-guest", request.is_guest, "this machine exists for the test only: mem-pressure is allowed");
  std::string list = "Faults:\n";
  for (const FaultKind& kind : fault_kinds()) {
    list += "  " + std::string(kind.name) + std::string(24 - kind.name.size(), ' ') + std::string(kind.what) + "\n";
  }
  app.footer(list);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  const FaultKind& kind = *std::ranges::find(fault_kinds(), name, &FaultKind::name);
  const bool is_demo = kind.make == make_demo;
  if (hold_ms == 0) {
    hold_ms = is_demo ? kMaxHoldMs : kDefaultHoldMs;
  }
  own_netns = own_netns || is_demo;  // it shall never disturb anything
  request.count = request.count == 0 ? kind.default_count : request.count;
  if (request.count > kind.max_count) {
    std::fprintf(stderr, "tcpfault: --count %d is too many for %s, the most is %d\n", request.count, name.c_str(),
                 kind.max_count);
    return kExitUsage;
  }

  // Whoever started us owns the fault: without them it must not stay behind.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&signals, number);
  }
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  try {
    return run(kind, request, own_netns, Millis(hold_ms), signals);
  } catch (const Skip& skip) {
    print({{"ready", false}, {"fault", name}, {"skip", skip.what()}});
    return kExitSkipped;
  } catch (const std::exception& error) {
    print({{"ready", false}, {"fault", name}, {"error", error.what()}});
    return kExitFailed;
  }
}
