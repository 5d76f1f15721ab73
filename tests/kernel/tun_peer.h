// SPDX-License-Identifier: Apache-2.0
// The far end of a connection, played segment by segment through a TUN device: the test says when it acknowledges, how
// much room it has and what it sends, as a packetdrill script does.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/os/unique_fd.h"

namespace tcpadvisor::traffic {

class TunPeer {
 public:
  /// Makes the device in the namespace of this process. `why_not` says why there is none.
  static TunPeer open(std::string& why_not);
  explicit operator bool() const { return static_cast<bool>(tun_); }

  /// A connection to this peer that stands; the peer's segments have 1,000 bytes at most.
  os::UniqueFd connect();

  /// Takes what has arrived, and what arrives until nothing has for `quiet`; the bytes of payload that are here in
  /// order.
  std::uint64_t take(std::chrono::milliseconds quiet = std::chrono::milliseconds(1));
  /// The bytes of payload so far that are here in order.
  std::uint64_t taken() const { return next_ - first_ - 1; }
  /// Acknowledges all that was taken, with room for so many times 16 bytes.
  void acknowledge(std::uint16_t window);
  void send(std::size_t bytes, bool fin = false);

 private:
  void put(std::uint8_t flags, std::uint32_t acknowledged, std::uint16_t window, std::size_t payload);
  bool read_one(std::chrono::milliseconds patience);

  os::UniqueFd tun_;
  std::uint16_t port_ = 0;              ///< of the other side
  std::uint32_t first_ = 0, next_ = 0;  ///< its sequence numbers: the SYN, and the next that is expected
  std::uint32_t sent_ = 0;              ///< ours
};

}  // namespace tcpadvisor::traffic
