// SPDX-License-Identifier: Apache-2.0
// Which two sockets of this host are the two ends of one connection, and the chain of queues between them. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/watch/line.h"

namespace tcpadvisor::watch {

/// One connection. `near` is the end that more bytes leave from; `far` is null when the other end is not on this host.
struct Link {
  const SocketRow* near = nullptr;
  const SocketRow* far = nullptr;
  const UserQueue* near_driver = nullptr;  ///< the queue that a program keeps in front of its socket; null: none known
  const UserQueue* far_driver = nullptr;
  /// Set when only a program speaks for the connection: `near` is this row, with nothing in it but addresses and owner.
  std::shared_ptr<const SocketRow> stand_in = nullptr;
  /// Bytes in all visible queues, both directions. What a driver has dropped at its end counts, too: it is missed.
  std::uint64_t queued() const;
};

/// All connections of the sample (no listeners); a pair of ends counts once. Ends are joined when addresses and ports
/// mirror each other in the same namespace, or, for addresses that are not loopback, in exactly one other namespace.
/// A user-space queue whose socket has no row is a connection of its own, unless it has ended and lost nothing.
std::vector<Link> links_of(const Sample& sample);

/// "driver 778,763 (2 suspended) → Send-Q 130,944 (not sent 40,000) → wire (wnd 0) → Recv-Q 2.1 MiB reader[812]"; one
/// line per direction that holds bytes, without the details that do not fit into `width` columns. Nothing when all
/// queues are empty and the far end has nothing to tell.
std::vector<Line> chain_lines(const Link& link, const Glyphs& g, std::size_t width);

}  // namespace tcpadvisor::watch
