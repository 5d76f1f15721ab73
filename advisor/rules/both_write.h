// SPDX-License-Identifier: Apache-2.0
// Connections on which both ends send and neither reads: each waits until the other does. The end that was connected to
// answers; it stops reading because its answers are not taken, and a server that went on would keep ever more of them.
#pragma once

#include <cstdint>
#include <vector>

#include "advisor/evidence/window.h"

namespace tcpadvisor {

/// This end was accepted from a listener that still stands.
bool accepted_here(const Connections& connections, const SocketRow& row);
/// It has bytes to send, now and at most looks, and its peer's window is closed.
bool sends_in_vain(const Window& window, const SocketRow& row);
/// What came fills its receive buffer.
bool leaves_unread(const SocketRow& row);
/// It has read something, once: one that never did answers nobody, it only writes.
bool has_read(const SocketRow& row);

/// The program at the other ends of `rows`, on this host, if it does not read either and has as much to send.
struct NeitherReads {
  const SocketRow* far = nullptr;  ///< one of its sockets; null if there is no such program, or there are several
  std::uint64_t unread = 0;        ///< bytes, at its ends
};
NeitherReads neither_reads(const Window& window, const std::vector<const SocketRow*>& rows);

}  // namespace tcpadvisor
