// SPDX-License-Identifier: Apache-2.0
// Every sysctl that we read or advise, once: what it counts, where it is valid, what the kernel takes and starts with,
// when a change acts, and how much a wrong one can hurt. Source: Documentation/networking/ip-sysctl.rst and
// Documentation/admin-guide/sysctl/{net,fs}.rst, net/ipv4/sysctl_net_ipv4.c, net/core/sysctl_net_core.c. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tcpadvisor {

enum class KnobScope : std::uint8_t {
  host,   ///< one value for the whole host; absent or read-only in other namespaces
  netns,  ///< each network namespace has its own; a new one starts with the kernel's default, not with the host's value
};

enum class TakesEffect : std::uint8_t { now, new_connections, re_listen };

struct Knob {
  std::string_view name;  ///< "net.ipv4.tcp_rmem"
  KnobScope scope = KnobScope::netns;
  std::string_view unit;             ///< of each value: "bytes", "pages", "s" …; empty for switches, modes and words
  std::string_view kernel_default;   ///< as text: what the kernel starts with, or from what it computes that
  std::int64_t least = 0, most = 0;  ///< of each value; newer kernels may take more. Both 0: words or read-only
  TakesEffect takes_effect = TakesEffect::now;
  int risk = 0;  ///< of a change: 0 none, 1 few connections, 2 all connections, 3 the host's memory
};

std::span<const Knob> knobs();
const Knob* find_knob(std::string_view name);  ///< null if it is not one of ours

}  // namespace tcpadvisor
