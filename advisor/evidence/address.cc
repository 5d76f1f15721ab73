// SPDX-License-Identifier: Apache-2.0
#include "advisor/evidence/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

namespace tcpadvisor {

Endpoint Endpoint::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, std::uint16_t port) {
  Endpoint endpoint;
  endpoint.ip = {a, b, c, d};
  endpoint.port = port;
  return endpoint;
}

Endpoint Endpoint::from_bytes(std::span<const std::uint8_t> bytes, std::uint16_t port) {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  Endpoint endpoint;
  endpoint.port = port;
  if (bytes.size() == 16 && std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) bytes = bytes.subspan(12);
  endpoint.v6 = bytes.size() == 16;
  std::copy_n(bytes.begin(), std::min<std::size_t>(bytes.size(), 16), endpoint.ip.begin());
  return endpoint;
}

std::string Endpoint::ip_text() const {
  char buffer[INET6_ADDRSTRLEN] = "";
  inet_ntop(v6 ? AF_INET6 : AF_INET, ip.data(), buffer, sizeof buffer);
  return buffer;
}

std::string Endpoint::text() const {
  return v6 ? fmt::format("[{}]:{}", ip_text(), port) : fmt::format("{}:{}", ip_text(), port);
}

Endpoint Endpoint::prefix(unsigned bits) const {
  Endpoint out = *this;
  out.port = 0;
  for (std::size_t at = 0; at < out.ip.size(); ++at, bits -= std::min(bits, 8u)) {
    if (bits < 8) out.ip[at] &= static_cast<std::uint8_t>(0xff00u >> bits);
  }
  return out;
}

bool Endpoint::is_loopback() const {
  if (!v6) return ip[0] == 127;
  return ip[15] == 1 && std::all_of(ip.begin(), ip.end() - 1, [](auto byte) { return byte == 0; });
}

bool Endpoint::is_unspecified() const {
  return std::all_of(ip.begin(), ip.end(), [](auto byte) { return byte == 0; });
}

}  // namespace tcpadvisor
