// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/flow_limits.h"

#include <algorithm>
#include <vector>

namespace tcpadvisor {
namespace {

constexpr double kStandsStill = 0.5;  // of the limit: a flow that does less in one window has paused or ended there
constexpr double kBytesPerWindowRatio = 0.5;

/// In one window: how much of it does this flow use? Nothing if it cannot be measured, or does not matter.
std::optional<LimitedFlow> receive_use(const Policy& policy, const Past& part, const SocketRow& row,
                                       double window_bytes) {
  Series received = field(part, row, &PastRow::bytes_received);
  Series rtt = field(part, row, &PastRow::rcv_rtt_us), waits = field(part, row, &PastRow::rmem_alloc);
  if (received.size() < 2 || rtt.empty() || row.rcvbuf.value_or(0) == 0 || waits.empty()) return std::nullopt;
  if (window_bytes == 0) window_bytes = static_cast<double>(*row.rcvbuf) * payload_ratio(row);
  LimitedFlow out{.rate = received.increase_per_s(), .share = 0, .rtt_us = rtt.percentile(50)};
  out.share = window_bytes > 0 ? std::min(1.0, out.rate * out.rtt_us / 1e6 / window_bytes) : 0;
  bool keeps_up = waits.percentile(50) <= policy.value(kReaderKeepsUp) * static_cast<double>(*row.rcvbuf);
  bool fast = out.rtt_us >= policy.value(kMinRtt) * 1e6 && out.rate >= policy.value(kMinRate);
  if (!fast || !keeps_up) return std::nullopt;
  return out;
}

/// In one window: how long does the sender wait for room in its own buffer? A buffer that is full is not always the one
/// that binds: where the round trip has grown, the path's queue is full, and a larger buffer would only lengthen it.
std::optional<LimitedFlow> send_use(const Policy& policy, const Past& part, const SocketRow& row) {
  Series busy = field(part, row, &PastRow::busy_us), limited = field(part, row, &PastRow::sndbuf_limited_us);
  if (busy.size() < 2 || limited.size() < 2) return std::nullopt;
  if (busy.increase() <= 0 || busy.increase() < policy.value(kMinBusyShare) * part.span_s() * 1e6) return std::nullopt;
  LimitedFlow out{.rate = field(part, row, &PastRow::bytes_acked).increase_per_s(),
                  .share = limited.increase() / busy.increase(),
                  .rtt_us = field(part, row, &PastRow::srtt_us).percentile(50)};
  if (row.min_rtt_us.value_or(0) > 0 && out.rtt_us > kRttGrowth * *row.min_rtt_us) out.share = 0;
  return out;
}

}  // namespace

double payload_ratio(const SocketRow& row) {
  return row.scaling_ratio.value_or(0) > 0 ? *row.scaling_ratio / 256.0 : kBytesPerWindowRatio;
}

std::optional<LimitedFlow> limited_flow(const Evidence& in, const PolicyWindows& windows, const SocketRow& row,
                                        Side side) {
  const double least = in.policy.value(side == Side::receive ? kWindowUse : kLimitedShare);
  // What it announces now is what it has announced less what came since: only the most of many looks is the window.
  const double window_bytes = field(in.window, row, &PastRow::rcv_wnd).max();
  std::vector<LimitedFlow> limited;
  for (const Past& part : windows.parts) {
    auto use = side == Side::receive ? receive_use(in.policy, part, row, window_bytes) : send_use(in.policy, part, row);
    if (!use || use->share < kStandsStill * least) return std::nullopt;
    if (use->share >= least) limited.push_back(*use);
  }
  if (limited.empty() ||
      static_cast<double>(limited.size()) < in.policy.value(kShareOfParts) * static_cast<double>(windows.parts.size()))
    return std::nullopt;
  LimitedFlow out = *std::ranges::min_element(limited, {}, &LimitedFlow::share);
  auto bytes = side == Side::receive ? &PastRow::bytes_received : &PastRow::bytes_acked;
  out.rate = field(in.window, row, bytes).increase_per_s();
  return out;
}

}  // namespace tcpadvisor
