// SPDX-License-Identifier: Apache-2.0
// How full a receive buffer is.
#pragma once

#include <algorithm>
#include <optional>

namespace tcpadvisor {

inline constexpr double kSliver = 1.0 / 64;  // of the receive buffer

/// Of a SocketRow, or of what is kept of it; 1 and more is full.
std::optional<double> fill_of(const auto& row) {
  if (row.rcvbuf.value_or(0) == 0 || !row.rmem_alloc) return std::nullopt;
  // Nothing unread means that the memory is in flight to the reader or out of order, not waiting for it.
  if (row.recv_q == 0) return 0.0;
  auto room = static_cast<double>(*row.rcvbuf);
  // A sender does not use a sliver of a window: it waits as if it were closed (RFC 9293 section 3.8.6.2.1).
  if (row.rcv_wnd && *row.rcv_wnd <= room * kSliver) return 1.0;
  double memory = static_cast<double>(*row.rmem_alloc) / room;
  // The window closes at rcvbuf * scaling_ratio bytes of payload: well-packed data never fills the buffer's memory.
  if (row.scaling_ratio.value_or(0) == 0) return memory;
  return std::max(memory, static_cast<double>(row.recv_q) / (room * *row.scaling_ratio / 256));
}

}  // namespace tcpadvisor
