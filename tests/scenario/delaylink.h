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
  int mtu_bytes = 9'000;                ///< of both ends; few and large packets cost less
  std::uint32_t lost_per_million = 0;   ///< packets with data, at random, the same ones each time
  std::uint32_t late_per_million = 0;   ///< of those, too, that others overtake: they take 3 ms longer
  int lost_syns_every = 0;              ///< of the first SYNs of connections each so-manieth is lost; 0: none
  int largest_bytes = 0;                ///< packets beyond it vanish without a word; 0: none does
};

inline constexpr const char* kLinkAddressA = "10.77.0.1";
inline constexpr const char* kLinkAddressB = "10.77.0.2";

/// The namespace of the caller, and a new one at the far end of a link. Throws Skip in the machine's own namespace.
struct FarSide {
  int here, there;
};
FarSide add_far_side(Stage& stage, bool private_netns, const DelayLinkOptions& options);

/// Starts the carrying process; returns when both ends are up. Throws Skip if there is no /dev/net/tun.
void start_delay_link(Stage& stage, int netns_a, int netns_b, const DelayLinkOptions& options);

}  // namespace tcpfault
