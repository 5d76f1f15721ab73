// SPDX-License-Identifier: Apache-2.0
#include "advisor/whatif/folk.h"

#include <span>

namespace tcpadvisor::whatif {
namespace {

struct Row {
  std::string_view name, why;
};

// clang-format off: tables
constexpr Row kNone[] = {
    {"tcp_nodelay", "there is no such sysctl: TCP_NODELAY is set by the program, on each socket"},
    {"tcp_no_delay", "there is no such sysctl: TCP_NODELAY is set by the program, on each socket"},
    {"tcp_keepalive", "there is no such sysctl: SO_KEEPALIVE is set by the program; tcp_keepalive_time says when probes begin then"},
    {"tcp_quickack", "there is no such sysctl: TCP_QUICKACK is set by the program, and not for long"},
    {"tcp_prequeue", "there is no such sysctl: the prequeue went in Linux 4.14"},
    {"tcp_dma_copybreak", "there is no such sysctl any more: it went in Linux 3.13"},
    {"vm.drop_caches", "frees the page cache once; socket buffers and the objects of sockets are none of it"},
    {"vm.overcommit_memory", "is about the memory that programs ask for; socket buffers are the kernel's own"},
    {"txqueuelen", "is the queue of a device, not of TCP: a longer one adds delay, and loses nothing fewer where fq or fq_codel is used"},
    {"ulimit", "is a limit of a process: it decides when a leak ends the program, not whether it leaks"},
    {"nofile", "is a limit of a process: it decides when a leak ends the program, not whether it leaks"},
};
constexpr Row kDead[] = {
    {"net.ipv4.tcp_tw_recycle", "it went in Linux 4.12; before, it broke clients behind NAT"},
    {"net.ipv4.tcp_low_latency", "nothing has read it since Linux 4.14"},
    {"net.ipv4.tcp_fack", "nothing has read it since Linux 4.15"},
    {"net.ipv4.tcp_thin_dupack", "it went in Linux 4.11"},
    {"net.ipv4.tcp_frto_response", "it went in Linux 3.10"},
    {"net.ipv4.tcp_max_ssthresh", "it went in Linux 3.9"},
    {"net.ipv4.tcp_abc", "it went in Linux 3.9"},
};
// clang-format on

std::string_view look_up(std::span<const Row> rows, std::string_view name) {
  for (const Row& row : rows) {
    if (row.name == name) return row.why;
  }
  return "";
}

}  // namespace

std::string_view why_no_sysctl(std::string_view name) {
  if (std::string_view why = look_up(kNone, name); !why.empty()) return why;
  const std::string_view prefix = "net.ipv4.";
  return name.starts_with(prefix) ? look_up(kNone, name.substr(prefix.size())) : "";
}

std::string_view why_dead(std::string_view knob) {
  return look_up(kDead, knob);
}

}  // namespace tcpadvisor::whatif
