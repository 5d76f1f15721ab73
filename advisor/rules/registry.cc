// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/registry.h"

#include <algorithm>
#include <array>

// One line for each rule, in the order in which a report lists them.
// clang-format off
#define TCPADVISOR_EACH_RULE(rule) \
  rule(process_stopped) \
  rule(fd_limit_reached) \
  rule(close_wait_leak) \
  rule(close_wait_unaccepted) \
  rule(closed_socket_fd_leak) \
  rule(fin_wait2_app_held) \
  rule(fin_wait2_orphan_buildup) \
  rule(established_growth) \
  rule(established_dead_peer_leak) \
  rule(no_timeouts) \
  rule(reader_too_slow) \
  rule(unread_forgotten) \
  rule(peer_not_reading) \
  rule(send_queue_dead_peers) \
  rule(orphan_buildup) \
  rule(hidden_user_queue) \
  rule(accept_queue_app_slow) \
  rule(backlog_too_small) \
  rule(syn_drops_not_overflow) \
  rule(syn_flood_vs_overflow) \
  rule(abort_on_overflow_set) \
  rule(defer_fastopen_lint) \
  rule(reuseport_unbalanced) \
  rule(listener_never_accepts) \
  rule(port_exhaustion) \
  rule(tw_bucket_overflow) \
  rule(connection_per_request) \
  rule(closes_in_bursts) \
  rule(connects_fail) \
  rule(rst_on_close_unread) \
  rule(so_linger_misuse) \
  rule(reset_attribution) \
  rule(conntrack_full) \
  rule(softnet_drop) \
  rule(rcvbuf_locked_by_app) \
  rule(sndbuf_locked_by_app) \
  rule(rcvbuf_autotune_cap) \
  rule(sndbuf_autotune_cap) \
  rule(peer_window_limited) \
  rule(send_queue_delay) \
  rule(mem_max_relation) \
  rule(nagle_delack_stall) \
  rule(retrans_cc_qdisc) \
  rule(slow_start_after_idle) \
  rule(mtu_blackhole) \
  rule(ooo_queue_pressure) \
  rule(rcv_collapse_prune) \
  rule(tcp_backlog_drop) \
  rule(pending_shutdown_data) \
  rule(user_queue_unbounded) \
  rule(message_queue_holds_senders) \
  rule(user_queue_watermark) \
  rule(tcp_mem_pressure_global) \
  rule(high_connection_memory_budget) \
  rule(page_alloc_pressure) \
  rule(memcg_socket_pressure) \
  rule(recovery_settings) \
  rule(stale_settings) \
  rule(do_nothing)
// clang-format on

namespace tcpadvisor {
namespace rules {

#define TCPADVISOR_DECLARE(name) extern const Rule name;
TCPADVISOR_EACH_RULE(TCPADVISOR_DECLARE)
#undef TCPADVISOR_DECLARE

}  // namespace rules

std::span<const Rule> all_rules() {
#define TCPADVISOR_LIST(name) rules::name,
  static const std::array kRules = {TCPADVISOR_EACH_RULE(TCPADVISOR_LIST)};
#undef TCPADVISOR_LIST
  return kRules;
}

const Rule* find_rule(std::string_view id) {
  auto found = std::ranges::find(all_rules(), id, &Rule::id);
  return found == all_rules().end() ? nullptr : &*found;
}

}  // namespace tcpadvisor
