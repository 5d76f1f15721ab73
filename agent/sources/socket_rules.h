// SPDX-License-Identifier: Apache-2.0
// Rules that the user-space sources of sockets (sock_diag, /proc/net/tcp) share.
#pragma once

#include <cstdint>

#include "advisor/evidence/sample.h"

namespace tcpadvisor::sources {

/// The kernel's queue lengths are differences of sequence numbers, in which SYN and FIN take one place each. Corrects
/// recv_q and send_q to payload bytes. Not for LISTEN.
void count_payload_only(SocketRow& row);

/// Decides the holder from state, kind and inode. With an inode there is a file: Holder::process (whose, the owners
/// tell). Without: CLOSE_WAIT and ESTABLISHED wait in an accept queue, the closing states and TIME_WAIT belong to
/// nobody.
void settle_holder(SocketRow& row);

/// What the number in "timer" of inet_diag and /proc/net/tcp means.
Timer timer_from(unsigned number);

}  // namespace tcpadvisor::sources
