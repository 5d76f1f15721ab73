// SPDX-License-Identifier: Apache-2.0
// /proc/net/tcp and tcp6: the last way to see sockets. Knows queues, timer, uid and inode, but no cookie and no memory.
#pragma once

#include <functional>
#include <string_view>

#include "advisor/base/result.h"
#include "agent/os/proc_root.h"
#include "agent/sources/socket_rules.h"

namespace tcpadvisor::sources {

/// One line of the table, not the heading. The cookie is made from namespace-wide identity (inode, or both endpoints),
/// so that ages can be kept; it is not the kernel's.
Result<SocketRow> parse_proc_net_tcp(std::string_view line);

/// All sockets of one namespace. A line that makes no sense fails the whole and is named file:line.
Status read_proc_net_tcp(const os::ProcRoot& root, const std::function<void(SocketRow&&)>& each,
                         std::string_view net_dir = "/proc/thread-self/net");

}  // namespace tcpadvisor::sources
