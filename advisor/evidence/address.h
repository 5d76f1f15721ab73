// SPDX-License-Identifier: Apache-2.0
// An IP address and port as plain data.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>

namespace tcpadvisor {

struct Endpoint {
  std::array<std::uint8_t, 16> ip{};  ///< network order; IPv4 uses the first four bytes
  bool v6 = false;
  std::uint16_t port = 0;  ///< host order

  static Endpoint v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, std::uint16_t port);
  /// `ip` has 4 or 16 bytes in network order. An IPv4-mapped IPv6 address becomes IPv4 (that is how ss users know it).
  static Endpoint from_bytes(std::span<const std::uint8_t> ip, std::uint16_t port);

  std::string ip_text() const;  ///< "10.0.0.1", "::1"
  std::string text() const;     ///< "10.0.0.1:80", "[::1]:80"
  /// The network that it is in, port 0: `bits` of the address, the others 0.
  Endpoint prefix(unsigned bits) const;
  bool is_loopback() const;     ///< 127.0.0.0/8 or ::1
  bool is_unspecified() const;  ///< 0.0.0.0 or ::
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace tcpadvisor
