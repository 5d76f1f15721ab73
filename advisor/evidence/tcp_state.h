// SPDX-License-Identifier: Apache-2.0
// The TCP states with the kernel's own numbers (include/net/tcp_states.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tcpadvisor {

enum class TcpState : std::uint8_t {
  established = 1,
  syn_sent = 2,
  syn_recv = 3,
  fin_wait_1 = 4,
  fin_wait_2 = 5,
  time_wait = 6,
  close = 7,
  close_wait = 8,
  last_ack = 9,
  listen = 10,
  closing = 11,
  new_syn_recv = 12,  ///< a request socket: the final ACK has not come (shown as SYN_RECV by ss)
};

/// Arrays indexed by state have this size; index 0 is unused.
inline constexpr std::size_t kStateCount = 13;

inline constexpr std::array<std::string_view, kStateCount> kStateNames = {
    "?",     "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT_1", "FIN_WAIT_2",  "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",    "NEW_SYN_RECV"};

constexpr std::size_t index_of(TcpState state) {
  return static_cast<std::size_t>(state);
}
constexpr std::string_view name_of(TcpState state) {
  return kStateNames[index_of(state)];
}

/// Nothing when the kernel sends a number that no kernel up to 7.x knows.
constexpr std::optional<TcpState> tcp_state_from(unsigned number) {
  if (number == 0 || number >= kStateCount) return std::nullopt;
  return static_cast<TcpState>(number);
}

}  // namespace tcpadvisor
