// SPDX-License-Identifier: Apache-2.0
#include "agent/sources/sysctls.h"

#include <algorithm>
#include <array>
#include <string>

#include "agent/sources/fields.h"

namespace tcpadvisor::sources {
namespace {

constexpr bool kHost = true, kNetns = false;

// Scope: tcp_mem, tcp_max_orphans and net.core.* have one value for the host; the tcp_* ones exist once per namespace.
constexpr auto kKnobs = std::to_array<Knob>({
    {"net.ipv4.tcp_rmem", kNetns},
    {"net.ipv4.tcp_wmem", kNetns},
    {"net.ipv4.tcp_mem", kHost},
    {"net.ipv4.tcp_max_orphans", kHost},
    {"net.ipv4.tcp_moderate_rcvbuf", kNetns},
    {"net.ipv4.tcp_window_scaling", kNetns},
    {"net.ipv4.tcp_adv_win_scale", kNetns},
    {"net.ipv4.tcp_app_win", kNetns},
    {"net.ipv4.tcp_shrink_window", kNetns},
    {"net.ipv4.tcp_rcvbuf_low_rtt", kNetns},
    {"net.ipv4.tcp_sack", kNetns},
    {"net.ipv4.tcp_dsack", kNetns},
    {"net.ipv4.tcp_timestamps", kNetns},
    {"net.ipv4.tcp_recovery", kNetns},
    {"net.ipv4.tcp_early_retrans", kNetns},
    {"net.ipv4.tcp_reordering", kNetns},
    {"net.ipv4.tcp_max_reordering", kNetns},
    {"net.ipv4.tcp_max_syn_backlog", kNetns},
    {"net.ipv4.tcp_syncookies", kNetns},
    {"net.ipv4.tcp_synack_retries", kNetns},
    {"net.ipv4.tcp_syn_retries", kNetns},
    {"net.ipv4.tcp_abort_on_overflow", kNetns},
    {"net.ipv4.tcp_migrate_req", kNetns},
    {"net.ipv4.tcp_fastopen", kNetns},
    {"net.ipv4.ip_local_port_range", kNetns},
    {"net.ipv4.ip_local_reserved_ports", kNetns},
    {"net.ipv4.tcp_tw_reuse", kNetns},
    {"net.ipv4.tcp_tw_reuse_delay", kNetns},
    {"net.ipv4.tcp_max_tw_buckets", kNetns},
    {"net.ipv4.tcp_fin_timeout", kNetns},
    {"net.ipv4.tcp_orphan_retries", kNetns},
    {"net.ipv4.tcp_retries1", kNetns},
    {"net.ipv4.tcp_retries2", kNetns},
    {"net.ipv4.tcp_rto_min_us", kNetns},
    {"net.ipv4.tcp_rto_max_ms", kNetns},
    {"net.ipv4.tcp_keepalive_time", kNetns},
    {"net.ipv4.tcp_keepalive_intvl", kNetns},
    {"net.ipv4.tcp_keepalive_probes", kNetns},
    {"net.ipv4.tcp_notsent_lowat", kNetns},
    {"net.ipv4.tcp_limit_output_bytes", kNetns},
    {"net.ipv4.tcp_autocorking", kNetns},
    {"net.ipv4.tcp_slow_start_after_idle", kNetns},
    {"net.ipv4.tcp_mtu_probing", kNetns},
    {"net.ipv4.tcp_base_mss", kNetns},
    {"net.ipv4.tcp_no_metrics_save", kNetns},
    {"net.ipv4.tcp_congestion_control", kNetns},
    {"net.ipv4.tcp_available_congestion_control", kNetns},
    {"net.ipv4.tcp_ecn", kNetns},
    {"net.core.somaxconn", kNetns},
    {"net.core.rmem_max", kHost},
    {"net.core.wmem_max", kHost},
    {"net.core.rmem_default", kHost},
    {"net.core.wmem_default", kHost},
    {"net.core.default_qdisc", kHost},
    {"net.core.netdev_max_backlog", kHost},
    {"net.core.netdev_budget", kHost},
    {"net.core.netdev_budget_usecs", kHost},
    {"net.core.optmem_max", kHost},
    {"net.core.mem_pcpu_rsv", kHost},
    {"fs.file-max", kHost},
    {"fs.nr_open", kHost},
});

}  // namespace

std::span<const Knob> knobs() {
  return kKnobs;
}

Sysctl parse_sysctl(std::string_view text, bool host_global) {
  Sysctl setting;
  setting.host_global = host_global;
  text = trimmed(text);
  setting.text = std::string(text);
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    auto value = number<std::int64_t>(word);
    if (!value) {
      setting.values.clear();  // words, for example the list of congestion controls
      return setting;
    }
    setting.values.push_back(*value);
  }
  return setting;
}

Result<Sysctls> read_sysctls(const os::ProcRoot& root) {
  Sysctls settings;
  Error first{ErrorCode::not_found, "no TCP setting below /proc/sys/net", 0};
  for (const Knob& knob : kKnobs) {
    std::string path = "/proc/sys/" + std::string(knob.name);
    std::replace(path.begin() + 10, path.end(), '.', '/');
    auto text = root.read(path);
    if (text) {
      settings.emplace(knob.name, parse_sysctl(*text, knob.host_global));
    } else if (text.error().code != ErrorCode::not_found) {
      first = text.error();
    }
  }
  if (settings.empty()) return std::unexpected(first);
  return settings;
}

}  // namespace tcpadvisor::sources
