// SPDX-License-Identifier: Apache-2.0
#include "advisor/knobs/knobs.h"

#include <algorithm>
#include <array>
#include <limits>

namespace tcpadvisor {
namespace {

constexpr KnobScope kHost = KnobScope::host, kNetns = KnobScope::netns;
constexpr TakesEffect kNow = TakesEffect::now, kNew = TakesEffect::new_connections, kListen = TakesEffect::re_listen;
constexpr std::int64_t kInt = std::numeric_limits<std::int32_t>::max(), kUint = 0xffff'ffff;
constexpr std::int64_t kLong = std::numeric_limits<std::int64_t>::max();

// clang-format off: a table
constexpr auto kKnobs = std::to_array<Knob>({
    // memory and buffers
    {"net.ipv4.tcp_rmem", kNetns, "bytes", "4096 131072 6291456, the last less on small hosts", 1, kInt, kNow, 2},
    {"net.ipv4.tcp_wmem", kNetns, "bytes", "4096 16384 4194304, the last less on small hosts", 1, kInt, kNow, 2},
    {"net.ipv4.tcp_mem", kHost, "pages", "4.7 / 6.25 / 9.4 % of the memory at boot", 0, kLong, kNow, 3},
    {"net.ipv4.tcp_max_orphans", kHost, "sockets", "half of the table of established connections", 0, kInt, kNow, 2},
    {"net.ipv4.tcp_moderate_rcvbuf", kNetns, "", "1", 0, 1, kNow, 2},
    {"net.ipv4.tcp_window_scaling", kNetns, "", "1", 0, 1, kNew, 2},
    {"net.ipv4.tcp_adv_win_scale", kNetns, "", "1; not used since 6.6", -31, 31, kNow, 1},
    {"net.ipv4.tcp_app_win", kNetns, "", "31", 0, 31, kNow, 1},
    {"net.ipv4.tcp_shrink_window", kNetns, "", "0", 0, 1, kNow, 2},
    {"net.ipv4.tcp_rcvbuf_low_rtt", kNetns, "us", "1000", 0, kInt, kNow, 1},
    // loss, order, time
    {"net.ipv4.tcp_sack", kNetns, "", "1", 0, 1, kNew, 2},
    {"net.ipv4.tcp_dsack", kNetns, "", "1", 0, 1, kNow, 1},
    {"net.ipv4.tcp_timestamps", kNetns, "", "1", 0, 2, kNew, 2},
    {"net.ipv4.tcp_recovery", kNetns, "", "1", 0, 7, kNow, 2},
    {"net.ipv4.tcp_early_retrans", kNetns, "", "3", 0, 4, kNow, 1},
    {"net.ipv4.tcp_reordering", kNetns, "segments", "3", 0, kInt, kNew, 1},
    {"net.ipv4.tcp_max_reordering", kNetns, "segments", "300", 0, kInt, kNow, 1},
    // coming connections
    {"net.ipv4.tcp_max_syn_backlog", kNetns, "connections", "by the memory at boot, at least 128", 0, kInt, kNow, 1},
    {"net.ipv4.tcp_syncookies", kNetns, "", "1", 0, 2, kNow, 2},
    {"net.ipv4.tcp_synack_retries", kNetns, "", "5", 0, 255, kNow, 1},
    {"net.ipv4.tcp_syn_retries", kNetns, "", "6", 1, 127, kNow, 1},
    {"net.ipv4.tcp_abort_on_overflow", kNetns, "", "0", 0, 1, kNow, 2},
    {"net.ipv4.tcp_migrate_req", kNetns, "", "0", 0, 1, kNow, 1},
    {"net.ipv4.tcp_fastopen", kNetns, "", "1", 0, kInt, kNew, 1},
    // ports and ends
    {"net.ipv4.ip_local_port_range", kNetns, "ports", "32768 60999", 1, 65'535, kNew, 1},
    {"net.ipv4.ip_local_reserved_ports", kNetns, "ports", "none", 0, 0, kNew, 1},
    {"net.ipv4.tcp_tw_reuse", kNetns, "", "2", 0, 2, kNew, 1},
    {"net.ipv4.tcp_tw_reuse_delay", kNetns, "ms", "1000", 1, kInt, kNew, 1},
    {"net.ipv4.tcp_max_tw_buckets", kNetns, "entries", "half of the table of established connections", 0, kInt, kNow, 1},
    {"net.ipv4.tcp_fin_timeout", kNetns, "s", "60", 0, kInt, kNew, 1},
    {"net.ipv4.tcp_orphan_retries", kNetns, "", "0, which acts as 8", 0, 255, kNow, 1},
    {"net.ipv4.tcp_retries1", kNetns, "", "3", 0, 255, kNow, 1},
    {"net.ipv4.tcp_retries2", kNetns, "", "15", 0, 255, kNow, 2},
    {"net.ipv4.tcp_rto_min_us", kNetns, "us", "200000", 1, kInt, kNew, 2},
    {"net.ipv4.tcp_rto_max_ms", kNetns, "ms", "120000", 1'000, 120'000, kNew, 1},
    {"net.ipv4.tcp_keepalive_time", kNetns, "s", "7200", 1, kInt, kNow, 1},
    {"net.ipv4.tcp_keepalive_intvl", kNetns, "s", "75", 1, kInt, kNow, 1},
    {"net.ipv4.tcp_keepalive_probes", kNetns, "", "9", 0, 255, kNow, 1},
    // sending
    {"net.ipv4.tcp_notsent_lowat", kNetns, "bytes", "4294967295", 0, kUint, kNow, 2},
    {"net.ipv4.tcp_limit_output_bytes", kNetns, "bytes", "1048576, 4194304 in newer kernels", 0, kInt, kNow, 1},
    {"net.ipv4.tcp_autocorking", kNetns, "", "1", 0, 1, kNow, 1},
    {"net.ipv4.tcp_slow_start_after_idle", kNetns, "", "1", 0, 1, kNow, 1},
    {"net.ipv4.tcp_mtu_probing", kNetns, "", "0", 0, 2, kNew, 1},
    {"net.ipv4.tcp_base_mss", kNetns, "bytes", "1024", 0, kInt, kNew, 1},
    {"net.ipv4.tcp_no_metrics_save", kNetns, "", "0", 0, 1, kNew, 1},
    {"net.ipv4.tcp_congestion_control", kNetns, "", "cubic", 0, 0, kNew, 2},
    {"net.ipv4.tcp_available_congestion_control", kNetns, "", "the modules that are loaded", 0, 0, kNow, 0},
    {"net.ipv4.tcp_ecn", kNetns, "", "2", 0, 5, kNew, 1},
    // what kernels do not use any more; those that are gone cannot be read, and only files still name them
    {"net.ipv4.tcp_low_latency", kHost, "", "0; not used since 4.14", 0, 1, kNow, 0},
    {"net.ipv4.tcp_fack", kNetns, "", "0; not used since 4.15", 0, 1, kNow, 0},
    {"net.ipv4.tcp_tw_recycle", kNetns, "", "0; gone since 4.12", 0, 1, kNow, 0},
    {"net.ipv4.tcp_thin_dupack", kNetns, "", "0; gone since 4.11", 0, 1, kNow, 0},
    {"net.ipv4.tcp_frto_response", kHost, "", "0; gone since 3.10", 0, 2, kNow, 0},
    {"net.ipv4.tcp_max_ssthresh", kHost, "", "0; gone since 3.9", 0, kInt, kNow, 0},
    {"net.ipv4.tcp_abc", kHost, "", "0; gone since 3.9", 0, 2, kNow, 0},
    // net.core and fs
    {"net.core.somaxconn", kNetns, "connections", "4096", 0, kInt, kListen, 1},
    {"net.core.rmem_max", kHost, "bytes", "212992, 4194304 in newer kernels", 2'304, kInt, kNew, 2},
    {"net.core.wmem_max", kHost, "bytes", "212992, 4194304 in newer kernels", 4'608, kInt, kNew, 2},
    {"net.core.rmem_default", kHost, "bytes", "212992", 2'304, kInt, kNew, 2},
    {"net.core.wmem_default", kHost, "bytes", "212992", 4'608, kInt, kNew, 2},
    {"net.core.default_qdisc", kHost, "", "pfifo_fast", 0, 0, kNew, 1},
    {"net.core.netdev_max_backlog", kHost, "packets", "1000", 0, kInt, kNow, 1},
    {"net.core.netdev_budget", kHost, "packets", "300", 0, kInt, kNow, 1},
    {"net.core.netdev_budget_usecs", kHost, "us", "two timer ticks", 0, kInt, kNow, 1},
    {"net.core.optmem_max", kHost, "bytes", "20480, 131072 since 6.9", 0, kInt, kNow, 1},
    {"net.core.mem_pcpu_rsv", kHost, "pages", "256", 256, kInt, kNow, 1},
    {"net.netfilter.nf_conntrack_max", kHost, "entries", "as many as buckets, by the memory at boot", 0, kInt, kNow, 1},
    {"fs.file-max", kHost, "files", "a tenth of the memory at boot, 1 KiB a file", 0, kLong, kNow, 1},
    {"fs.nr_open", kHost, "files", "1048576", 64, kInt, kNow, 1},
});
// clang-format on

}  // namespace

std::span<const Knob> knobs() {
  return kKnobs;
}

const Knob* find_knob(std::string_view name) {
  auto found = std::ranges::find(kKnobs, name, &Knob::name);
  return found == kKnobs.end() ? nullptr : &*found;
}

}  // namespace tcpadvisor
