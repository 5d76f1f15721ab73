// SPDX-License-Identifier: Apache-2.0
// One socket as a user-space source (sock_diag, /proc/net/tcp) finds it, and the rules that both share.
#pragma once

#include <cstdint>

#include "advisor/evidence/sample.h"

namespace tcpadvisor::sources {

struct FoundSocket {
  SocketRow row;                ///< netns and owner are not set; holder says all that the socket itself tells
  std::uint64_t cgroup_id = 0;  ///< inode number in the cgroup v2 tree, 0 if not known
};

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
