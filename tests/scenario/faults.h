// SPDX-License-Identifier: Apache-2.0
// Every fault that tcpfault can make. A maker returns when its fault stands; the actors on the stage then keep it
// standing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scenario/actor.h"

namespace tcpfault {

struct Request {
  int count = 0;                   ///< connections (or what the fault counts)
  std::uint16_t port = 0;          ///< 0: any free one
  double grow_per_s = 0;           ///< faults that leak: so many more connections every second, up to kMaxGrown
  int read_bytes = 0;              ///< slow readers: so much every 200 ms; 0: nothing at all
  bool private_netns = false;      ///< we are in a namespace of our own: its settings and interfaces are ours
  bool is_guest = false;           ///< the whole machine is ours
  std::string congestion_control;  ///< of bulk senders; empty: the kernel's choice
};

/// For what changes settings or interfaces: throws a Skip where they are the host's.
void need_own_netns(const Request& request);

inline constexpr int kMaxGrown = 2'000;
inline constexpr int kMaxReadBytes = 65'536;

/// What stands: `pid` is the process that a finding should name.
struct Standing {
  std::string fault;
  pid_t pid = 0;
  pid_t peer_pid = 0;
  std::uint16_t port = 0;
  int count = 0;
  std::uint64_t peer_netns = 0;  ///< 0: the same as ours
};
using Scene = std::vector<Standing>;

// Connections that are not closed, or not closed by both (closing_faults.cc).
Scene make_close_wait(Stage& stage, const Request& request);
Scene make_close_wait_unaccepted(Stage& stage, const Request& request);
Scene make_never_accepts(Stage& stage, const Request& request);
Scene make_fin_wait2_held(Stage& stage, const Request& request);
Scene make_fin_wait2_orphan(Stage& stage, const Request& request);
Scene make_closed_fd_leak(Stage& stage, const Request& request);
Scene make_close_unread(Stage& stage, const Request& request);
Scene make_close_read(Stage& stage, const Request& request);

// Sockets that more than one process or thread could answer for (holder_faults.cc).
Scene make_fork_server(Stage& stage, const Request& request);
Scene make_zombie_leader(Stage& stage, const Request& request);
Scene make_socket_activation(Stage& stage, const Request& request);
Scene make_mptcp_unaccepted(Stage& stage, const Request& request);
Scene make_inherited(Stage& stage, const Request& request);
Scene make_passed_on(Stage& stage, const Request& request);

// Listeners that do not keep up (listener_faults.cc).
Scene make_accept_slow(Stage& stage, const Request& request);
Scene make_backlog_small(Stage& stage, const Request& request);
Scene make_somaxconn_small(Stage& stage, const Request& request);
Scene make_reuseport_stuck(Stage& stage, const Request& request);

// Programs between others, and counts that look like a leak or hide one (chain_faults.cc).
Scene make_relay(Stage& stage, const Request& request);
Scene make_both_write(Stage& stage, const Request& request);
Scene make_relay_stuck(Stage& stage, const Request& request);
Scene make_idle_pool(Stage& stage, const Request& request);
Scene make_swept_leak(Stage& stage, const Request& request);

// Segments that a listener refuses (syn_faults.cc).
Scene make_md5_missing(Stage& stage, const Request& request);
Scene make_socket_filter(Stage& stage, const Request& request);
Scene make_syn_flood(Stage& stage, const Request& request);
Scene make_defer_silent(Stage& stage, const Request& request);
Scene make_defer_accept(Stage& stage, const Request& request);
Scene make_stray_segments(Stage& stage, const Request& request);

// A table of the packet filter (conntrack_faults.cc).
Scene make_conntrack_entries(Stage& stage, const Request& request);

// Connections that do not come about, and ports that only look scarce (connect_faults.cc).
Scene make_connect_refused(Stage& stage, const Request& request);
Scene make_connect_no_answer(Stage& stage, const Request& request);
Scene make_connect_no_route(Stage& stage, const Request& request);
Scene make_connect_given_up(Stage& stage, const Request& request);
Scene make_connect_no_port(Stage& stage, const Request& request);
Scene make_connect_no_bind_port(Stage& stage, const Request& request);
Scene make_connect_listener_full(Stage& stage, const Request& request);
Scene make_many_listeners(Stage& stage, const Request& request);
Scene make_server_time_wait(Stage& stage, const Request& request);

// Settings that harm (settings_faults.cc).
Scene make_time_wait_overflow(Stage& stage, const Request& request);
Scene make_abort_on_overflow(Stage& stage, const Request& request);
Scene make_recovery_settings(Stage& stage, const Request& request);

// Buffers and windows (buffer_faults.cc).
Scene make_slow_reader(Stage& stage, const Request& request);
Scene make_rcvbuf_locked(Stage& stage, const Request& request);
Scene make_sndbuf_locked(Stage& stage, const Request& request);
Scene make_rmem_capped(Stage& stage, const Request& request);
Scene make_rmem_capped_fast(Stage& stage, const Request& request);
Scene make_rmem_fast(Stage& stage, const Request& request);
Scene make_wmem_capped_fast(Stage& stage, const Request& request);
Scene make_wmem_fast(Stage& stage, const Request& request);
Scene make_moderate_off(Stage& stage, const Request& request);
Scene make_writes_slowly(Stage& stage, const Request& request);
Scene make_bulk_far(Stage& stage, const Request& request);
Scene make_rmem_enough(Stage& stage, const Request& request);
Scene make_wmem_capped(Stage& stage, const Request& request);
Scene make_sndbuf_enough(Stage& stage, const Request& request);
Scene make_messages_wait(Stage& stage, const Request& request);
Scene make_slow_reader_far(Stage& stage, const Request& request);
Scene make_mem_pressure(Stage& stage, const Request& request);

// What arrives and is not taken (receive_faults.cc).
Scene make_tiny_segments(Stage& stage, const Request& request);
Scene make_tiny_bursts(Stage& stage, const Request& request);
Scene make_cgroup_full(Stage& stage, const Request& request);
Scene make_orphans_unsent(Stage& stage, const Request& request);

// Senders that stand in their own way, and paths that lose what they carry (path_faults.cc).
Scene make_nagle_stall(Stage& stage, const Request& request);
Scene make_one_write(Stage& stage, const Request& request);
Scene make_lossy_path(Stage& stage, const Request& request);
Scene make_local_filter(Stage& stage, const Request& request);
Scene make_tail_loss(Stage& stage, const Request& request);
Scene make_syn_lost(Stage& stage, const Request& request);
Scene make_full_path(Stage& stage, const Request& request);
Scene make_reordering(Stage& stage, const Request& request);
Scene make_slow_bursts(Stage& stage, const Request& request);
Scene make_bursts_bbr(Stage& stage, const Request& request);
Scene make_mtu_blackhole(Stage& stage, const Request& request);
Scene make_hole_given_up(Stage& stage, const Request& request);

// Processes that do not run, have no descriptors left, forget what they opened, or whose peers do not read
// (process_faults.cc).
Scene make_process_stopped(Stage& stage, const Request& request);
Scene make_workers_stopped(Stage& stage, const Request& request);
Scene make_fd_limit(Stage& stage, const Request& request);
Scene make_established_growth(Stage& stage, const Request& request);
Scene make_peer_not_reading(Stage& stage, const Request& request);
Scene make_dead_peers(Stage& stage, const Request& request);
Scene make_hidden_user_queue(Stage& stage, const Request& request);

// Calls that hold the lock of their socket (lock_faults.cc).
Scene make_backlog_drops(Stage& stage, const Request& request);

// Connections that end badly, or that nobody ends (end_faults.cc).
Scene make_orphans(Stage& stage, const Request& request);
Scene make_linger_close(Stage& stage, const Request& request);
Scene make_linger_loses(Stage& stage, const Request& request);
Scene make_linger_aborts(Stage& stage, const Request& request);
Scene make_vanished_clients(Stage& stage, const Request& request);
Scene make_stands_still(Stage& stage, const Request& request);
Scene make_unread_forgotten(Stage& stage, const Request& request);
Scene make_connection_per_request(Stage& stage, const Request& request);

// What programs do with the connections and queues that they have (habit_faults.cc).
Scene make_collected(Stage& stage, const Request& request);
Scene make_idle_timer(Stage& stage, const Request& request);
Scene make_asks_at_once(Stage& stage, const Request& request);
Scene make_rounds_of_events(Stage& stage, const Request& request);
Scene make_rounds_of_probes(Stage& stage, const Request& request);
Scene make_no_timeouts(Stage& stage, const Request& request);
Scene make_some_timeouts(Stage& stage, const Request& request);
Scene make_marks_small(Stage& stage, const Request& request);
Scene make_marks_large(Stage& stage, const Request& request);
Scene make_marks_right(Stage& stage, const Request& request);

// Nothing wrong at all (healthy.cc, process_faults.cc).
Scene make_pool(Stage& stage, const Request& request);
Scene make_healthy(Stage& stage, const Request& request);
Scene make_bulk(Stage& stage, const Request& request);
Scene make_idle(Stage& stage, const Request& request);

// Healthy, and looks like a fault (controls.cc).
Scene make_half_close(Stage& stage, const Request& request);
Scene make_busy_server(Stage& stage, const Request& request);
Scene make_prefork(Stage& stage, const Request& request);
Scene make_reuseport_even(Stage& stage, const Request& request);
Scene make_fast_open(Stage& stage, const Request& request);
Scene make_keepalive(Stage& stage, const Request& request);
Scene make_few_at_a_time(Stage& stage, const Request& request);
Scene make_own_limit(Stage& stage, const Request& request);
Scene make_fills_up(Stage& stage, const Request& request);
Scene make_ipv6_first(Stage& stage, const Request& request);
Scene make_closes_late(Stage& stage, const Request& request);

struct FaultKind {
  std::string_view name;
  std::string_view what;
  int default_count;
  int max_count;
  Scene (*make)(Stage&, const Request&);
};
const std::vector<FaultKind>& fault_kinds();

}  // namespace tcpfault
