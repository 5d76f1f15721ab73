// SPDX-License-Identifier: Apache-2.0
// Which two sockets of this host are the two ends of one connection, and the chain of queues between them. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "advisor/evidence/sample.h"
#include "agent/watch/line.h"

namespace tcpadvisor::watch {

/// One connection. `near` is the end that more bytes leave from; `far` is null when the other end is not on this host.
struct Link {
  const SocketRow* near = nullptr;
  const SocketRow* far = nullptr;
  std::uint64_t queued() const;  ///< bytes in all visible queues, both directions
};

/// All connections of the sample (no listeners); a pair of ends counts once. Ends are joined when addresses and ports
/// mirror each other in the same namespace, or, for addresses that are not loopback, in exactly one other namespace.
std::vector<Link> links_of(const Sample& sample);

/// "Send-Q 130,944 (not sent 40,000) → wire (wnd 0) → Recv-Q 2.1 MiB reader[812]"; one line per direction that holds
/// bytes. Nothing when all queues are empty and the far end has nothing to tell.
std::vector<Line> chain_lines(const Link& link, const Glyphs& g);

}  // namespace tcpadvisor::watch
