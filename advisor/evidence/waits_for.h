// SPDX-License-Identifier: Apache-2.0
// What one connection waits for, as far as its row tells. Pure: for every face that shows a connection.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "advisor/evidence/past.h"
#include "advisor/evidence/sample.h"

namespace tcpadvisor {

enum class WaitsFor : std::uint8_t {
  not_known,
  program,            ///< to send, or to close: nothing waits
  reader,             ///< the program of this end: bytes lie unread
  more_bytes,         ///< from the peer: SO_RCVLOWAT asks for more than there are
  peer_window,        ///< the peer offers no room, or not enough
  congestion_window,  ///< as much is on its way as the congestion window allows
  nagle,              ///< a small segment waits until the one before it is acknowledged
  cork,               ///< the program has asked to wait for a full segment
  pacing,             ///< it may send, a little later
  device,             ///< what was sent still waits below TCP, in this host
  own_buffer,         ///< a sender waits for room in the send buffer
  acknowledgement,    ///< all is sent
  peer_end,           ///< this end has shut down; the peer has not
};
inline constexpr std::array<std::string_view, 13> kWaitsForNames = {
    "not-known", "program", "reader", "more-bytes", "peer-window",     "congestion-window", "nagle",
    "cork",      "pacing",  "device", "own-buffer", "acknowledgement", "peer-end"};
constexpr std::string_view name_of(WaitsFor what) {
  return kWaitsForNames[static_cast<std::size_t>(what)];
}

struct Waiting {
  WaitsFor what = WaitsFor::not_known;
  std::string text;  ///< "the peer's window: it is closed, 12,000 bytes are not sent"; of not_known: why
};

/// Nothing if it is no connection of two ends: LISTEN, TIME_WAIT, CLOSE, a request. `before` is what an earlier tick
/// kept of it, null if nothing: it decides where the row alone does not. What is to be sent goes before what is to be
/// read.
std::optional<Waiting> waits_for(const SocketRow& row, const PastRow* before);

}  // namespace tcpadvisor
