// SPDX-License-Identifier: Apache-2.0
// What holds one flow back, window by window: its receive window, or the room in its send buffer. Shared by the rules
// about buffers that a program has fixed and about those that the kernel sizes.
#pragma once

#include <optional>

#include "advisor/evidence/window.h"
#include "advisor/rules/evidence.h"
#include "advisor/rules/threshold.h"
#include "advisor/rules/words.h"

namespace tcpadvisor {

inline constexpr Threshold kWindowUse =
    ratio_threshold("window_use", 0.85).clears_at(0.9);  // of the window, per round trip
inline constexpr Threshold kReaderKeepsUp =
    ratio_threshold("reader_keeps_up", 0.25).clears_at(1.2);            // rmem_alloc / rcvbuf, at most
inline constexpr Threshold kMinRtt = time_threshold("min_rtt", 0.001);  // below it no buffer limits anything
inline constexpr Threshold kMinRate =
    size_threshold("min_rate", 10e6 / 8).clears_at(0.8);  // bytes per second: 10 Mbit/s
inline constexpr Threshold kLimitedShare = ratio_threshold("limited_share", 0.10).clears_at(0.5);  // of the busy time
inline constexpr Threshold kMinBusyShare =
    ratio_threshold("min_busy_share", 0.20).clears_at(0.75);  // of the time: who hardly sends is not judged
inline constexpr Threshold kShareOfParts =
    ratio_threshold("share_of_windows", 0.5).clears_at(0.6);  // in which the buffer must limit the flow
inline constexpr double kRttGrowth = 1.25;                    // of min_rtt: above it the queue of the path is full

enum class Side { receive, send };

struct LimitedFlow {
  double rate = 0;   ///< bytes per second, over the whole observation
  double share = 0;  ///< of the window per round trip, or of the busy time; in the typical window
  double rtt_us = 0;
};

/// A number of a row over time.
template <typename Field>
Series field(const Past& part, const SocketRow& row, Field member) {
  return part.socket_series(row, [&](const PastRow& then) -> std::optional<double> {
    if (!(then.*member)) return std::nullopt;
    return static_cast<double>(*(then.*member));
  });
}

/// Payload per byte of receive buffer, as the kernel has measured it for this socket; else the half that
/// tcp_adv_win_scale = 1 means.
double payload_ratio(const SocketRow& row);

/// Nothing if the buffer held the flow back in too few windows, or the flow stood still in one. A dip, as when bbr
/// drains the path to measure it, clears nothing.
std::optional<LimitedFlow> limited_flow(const Evidence& in, const PolicyWindows& windows, const SocketRow& row,
                                        Side side);

}  // namespace tcpadvisor
