// SPDX-License-Identifier: Apache-2.0
// TCP segments without data, made by hand.
#pragma once

#include <netinet/ip.h>
#include <netinet/tcp.h>

#include <cstdint>

namespace tcpfault {

struct Segment {
  iphdr ip{};
  tcphdr tcp{};
};
static_assert(sizeof(Segment) == 40);

/// Addresses and ports in network order; the rest of the headers is filled in, no flag is set.
Segment segment_between(std::uint32_t from_be, std::uint16_t from_port_be, std::uint32_t to_be,
                        std::uint16_t to_port_be);
/// Fills in both checksums, when everything else is there.
void seal(Segment& segment);

}  // namespace tcpfault
