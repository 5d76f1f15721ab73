// SPDX-License-Identifier: Apache-2.0
// Received bytes and the one call that may wait for them: cuts messages by `packet` or by the length asked for. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "agent/port/terms.h"
#include "agent/port/transport.h"

namespace tcpadvisor::port {

class Receiver {
 public:
  struct Waiting {
    CallerId caller = kNobody;
    std::size_t bytes = 0;  ///< 0: whatever there is
    TimerId timer = 0;
  };

  std::optional<Waiting> waiting;

  void add(std::string_view bytes);
  void clear();
  std::size_t buffered() const { return buffered_.size() - taken_; }
  /// The next whole message; `packet` is the header's length, `bytes` the length wanted without a header (0: all).
  std::optional<std::string> take(int packet, std::size_t bytes);
  /// How much to read at most, so that a call for N bytes leaves the rest to the kernel.
  std::size_t room(int packet, std::size_t user_buffer) const;

 private:
  std::string buffered_;
  std::size_t taken_ = 0;  ///< bytes at its front that were given out
};

/// Big-endian length in front of a packet: 0, 1, 2 or 4 bytes.
std::string packet_header(int packet, std::size_t bytes);

}  // namespace tcpadvisor::port
