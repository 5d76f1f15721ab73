// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/segment.h"

#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace tcpfault {
namespace {

/// The Internet checksum (RFC 1071) of an even number of bytes, on top of `sum`.
std::uint16_t checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return htons(static_cast<std::uint16_t>(~sum));
}

}  // namespace

Segment segment_between(std::uint32_t from_be, std::uint16_t from_port_be, std::uint32_t to_be,
                        std::uint16_t to_port_be) {
  Segment out;
  out.ip.version = 4;
  out.ip.ihl = 5;
  out.ip.tot_len = htons(sizeof out);
  out.ip.ttl = 64;
  out.ip.protocol = IPPROTO_TCP;
  out.ip.saddr = from_be;
  out.ip.daddr = to_be;
  out.tcp.source = from_port_be;
  out.tcp.dest = to_port_be;
  out.tcp.doff = sizeof(tcphdr) / 4;
  out.tcp.window = htons(65'535);
  return out;
}

void seal(Segment& segment) {
  segment.ip.check = segment.tcp.check = 0;
  std::array<std::uint8_t, sizeof segment> bytes;
  std::memcpy(bytes.data(), &segment, sizeof segment);
  segment.ip.check = checksum(std::span(bytes).first(sizeof(iphdr)));
  // The pseudo header: both addresses (the last 8 bytes of the IP header), protocol and length.
  const std::uint32_t pseudo = IPPROTO_TCP + sizeof(tcphdr);
  segment.tcp.check = checksum(std::span(bytes).subspan(offsetof(iphdr, saddr)), pseudo);
}

}  // namespace tcpfault
