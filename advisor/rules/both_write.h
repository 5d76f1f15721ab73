// SPDX-License-Identifier: Apache-2.0
// Connections on which both ends send and neither reads: each waits until the other does. The end that was connected to
// answers; it stops reading because its answers are not taken, and a server that went on would keep ever more of them.
#pragma once

#include "advisor/evidence/window.h"

namespace tcpadvisor {

/// This end was accepted from a listener that still stands.
bool accepted_here(const Connections& connections, const SocketRow& row);
/// It has bytes to send, now and at most looks, and its peer's window is closed.
bool sends_in_vain(const Window& window, const SocketRow& row);
/// What came fills its receive buffer.
bool leaves_unread(const SocketRow& row);

}  // namespace tcpadvisor
