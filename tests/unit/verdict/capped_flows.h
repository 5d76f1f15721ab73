// SPDX-License-Identifier: Apache-2.0
// Two flows that the maxima of this host hold, one each way: the wishes that meet in one memory gate.
#pragma once

#include <cstddef>

#include "tests/unit/builders.h"

namespace tcpadvisor::build {

/// 62 Mbit/s over 20 ms in and 40 Mbit/s out, at second `i`; both in cgroup /pod/web.
inline void capped_flows(SampleBuilder& sample, std::size_t i) {
  sample.add(a_socket().cookie(1).pid(3, "sink").rcvbuf(262'144, 12'000).set([&](SocketRow& row) {
    row.bytes_received = 7'800'000 * i;
    row.rcv_rtt_us = 20'400;
    row.min_rtt_us = 20'100;
    row.rcv_wnd = 162'432;
    row.scaling_ratio = 159;
    row.cgroup = "/pod/web";
  }));
  sample.add(a_socket().cookie(2).pid(4, "source").sndbuf(131'072, 130'000).set([&](SocketRow& row) {
    row.busy_us = 1'000'000 * i;
    row.sndbuf_limited_us = 420'000 * i;
    row.rwnd_limited_us = 0;
    row.bytes_acked = 5'000'000 * i;
    row.srtt_us = 20'500;
    row.min_rtt_us = 20'000;
    row.data_segs_out = static_cast<std::uint32_t>(3'500 * i);
    row.total_retrans = 0;
    row.cgroup = "/pod/web";
  }));
  sample.sysctl("net.ipv4.tcp_rmem", {4096, 131'072, 262'144}).sysctl("net.ipv4.tcp_wmem", {4096, 16'384, 131'072});
}

}  // namespace tcpadvisor::build
