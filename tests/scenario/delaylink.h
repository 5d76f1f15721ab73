// SPDX-License-Identifier: Apache-2.0
// A path with a round-trip time between two namespaces, for kernels without netem: two TUN devices, and a process that
// carries each packet from one to the other after a delay and at a rate.
#pragma once

#include <chrono>
#include <cstdint>

#include "tests/scenario/actor.h"

namespace tcpfault {

struct DelayLinkOptions {
  std::chrono::microseconds one_way_delay{10'000};
  std::uint64_t rate_bits_per_s = 200'000'000;
  std::uint64_t queue_bytes = 4 << 20;  ///< per direction; what does not fit is dropped
};

inline constexpr const char* kLinkAddressA = "10.77.0.1";
inline constexpr const char* kLinkAddressB = "10.77.0.2";

/// Starts the carrying process; returns when both ends are up. Throws Skip if there is no /dev/net/tun.
void start_delay_link(Stage& stage, int netns_a, int netns_b, const DelayLinkOptions& options);

}  // namespace tcpfault
