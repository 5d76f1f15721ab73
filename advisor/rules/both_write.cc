// SPDX-License-Identifier: Apache-2.0
#include "advisor/rules/both_write.h"

#include <optional>

#include "advisor/base/saturate.h"
#include "advisor/rules/receive_fill.h"

namespace tcpadvisor {
namespace {

constexpr double kMostLooks = 0.5;
constexpr std::size_t kFewestClosedLooks = 2;
constexpr double kFull = 0.75;  // of the receive buffer

}  // namespace

bool accepted_here(const Connections& connections, const SocketRow& row) {
  return !connections.listeners(row.netns, row.local.port).empty();
}

bool sends_in_vain(const Window& window, const SocketRow& row) {
  if (row.send_q == 0 || !(row.timer == Timer::persist || row.snd_wnd == 0u)) return false;
  Series closed = window.socket_series(row, [](const PastRow& then) -> std::optional<double> {
    if (!then.peer_closed_window) return std::nullopt;
    return then.send_q > 0 && *then.peer_closed_window ? 1 : 0;
  });
  return closed.size() >= kFewestClosedLooks && closed.share([](double yes) { return yes > 0; }) >= kMostLooks;
}

bool leaves_unread(const SocketRow& row) {
  return row.state == TcpState::established && row.recv_q > 0 && fill_of(row).value_or(0) >= kFull;
}

bool has_read(const SocketRow& row) {
  return !row.bytes_received || *row.bytes_received > row.recv_q;
}

NeitherReads neither_reads(const Window& window, const std::vector<const SocketRow*>& rows) {
  NeitherReads out;
  for (const SocketRow* row : rows) {
    const SocketRow* far = window.connections().other_end(*row);
    if (far == nullptr || !far->owner || !leaves_unread(*far) || !sends_in_vain(window, *far)) return {};
    if (out.far != nullptr && out.far->owner->pid != far->owner->pid) return {};
    out.far = far;
    out.unread = add_sat(out.unread, far->recv_q);
  }
  return out;
}

}  // namespace tcpadvisor
