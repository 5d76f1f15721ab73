// SPDX-License-Identifier: Apache-2.0
// Which two sockets of this host are the two ends of one connection. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "advisor/evidence/connections.h"

namespace tcpadvisor::observe {

/// One end of a connection; either part may be unknown.
struct End {
  const SocketRow* row = nullptr;
  const UserQueue* driver = nullptr;
  bool row_is_real = true;
};

/// One connection. `near` is the end that more bytes leave from; `far` is null when the other end is not on this host.
struct Link {
  const SocketRow* near = nullptr;
  const SocketRow* far = nullptr;
  const UserQueue* near_driver = nullptr;  ///< the queue that a program keeps in front of its socket; null: none known
  const UserQueue* far_driver = nullptr;
  bool serves = false;  ///< the near end is the service's, as far as one can tell
  /// Set when only a program speaks for the connection: `near` is this row, with nothing in it but addresses and owner.
  std::shared_ptr<const SocketRow> stand_in = nullptr;
  /// Bytes in all visible queues, both directions. What a driver has dropped at its end counts, too: it is missed.
  std::uint64_t queued() const;
};

/// All connections of the sample (no listeners); a pair of ends counts once. A user-space queue whose socket has no row
/// is a connection of its own, unless it has ended and lost nothing.
std::vector<Link> links_of(const Connections& connections);

/// Bytes in the program's queue, or lost there when it ended; 0 for none.
std::uint64_t bytes_of(const UserQueue* driver);

}  // namespace tcpadvisor::observe
