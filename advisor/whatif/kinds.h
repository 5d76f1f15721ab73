// SPDX-License-Identifier: Apache-2.0
// One function for each kind of setting, and for each load. Pure.
#pragma once

#include <vector>

#include "advisor/whatif/world.h"

namespace tcpadvisor::whatif {

// buffers.cc, fixed_buffers.cc
Answer on_tcp_rmem(const World& world, const Asked& asked);
Answer on_tcp_wmem(const World& world, const Asked& asked);
Answer on_buffer_maximum(const World& world, const Asked& asked);  ///< rmem_max, wmem_max
// listen.cc
Answer on_somaxconn(const World& world, const Asked& asked);
Answer on_max_syn_backlog(const World& world, const Asked& asked);
Answer on_abort_on_overflow(const World& world, const Asked& asked);
// ports.cc
Answer on_port_range(const World& world, const Asked& asked);
Answer on_tw_reuse(const World& world, const Asked& asked);
// closing.cc
Answer on_fin_timeout(const World& world, const Asked& asked);
Answer on_tw_buckets(const World& world, const Asked& asked);
Answer on_max_orphans(const World& world, const Asked& asked);
// timers.cc
Answer on_retries(const World& world, const Asked& asked);  ///< tcp_retries2, syn_retries, synack_retries
Answer on_keepalive(const World& world, const Asked& asked);
// sending.cc
Answer on_notsent_lowat(const World& world, const Asked& asked);
Answer on_slow_start(const World& world, const Asked& asked);
Answer on_congestion_control(const World& world, const Asked& asked);
// host.cc
Answer on_tcp_mem(const World& world, const Asked& asked);
Answer on_packet_queue(const World& world, const Asked& asked);  ///< netdev_max_backlog, netdev_budget, …_usecs
Answer on_table(const World& world, const Asked& asked);         ///< nf_conntrack_max, file-max, nr_open

// load.cc
std::vector<Answer> on_load(const World& world);

}  // namespace tcpadvisor::whatif
