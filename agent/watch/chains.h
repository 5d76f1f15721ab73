// SPDX-License-Identifier: Apache-2.0
// The chain of queues between the two ends of a connection, as lines. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "agent/observe/links.h"
#include "agent/watch/line.h"

namespace tcpadvisor::watch {

using observe::Link;
using observe::links_of;

/// "driver 778,763 (2 suspended) → Send-Q 130,944 (not sent 40,000) → wire (wnd 0) → Recv-Q 2.1 MiB reader[812]"; one
/// line per direction that holds bytes, without the details that do not fit into `width` columns. Nothing when all
/// queues are empty and the far end has nothing to tell.
///
/// `of_all` stands before numbers that are sums of several connections.
std::vector<Line> chain_lines(const Link& link, const Glyphs& g, std::size_t width, std::string_view of_all = "");

}  // namespace tcpadvisor::watch
