// SPDX-License-Identifier: Apache-2.0
// Of all processes that hold a socket, which one matters. Pure.
#pragma once

#include <functional>
#include <span>

#include "advisor/evidence/sample.h"
#include "agent/os/descriptor.h"
#include "agent/os/kin.h"

namespace tcpadvisor::collect {

/// Asked only for sockets that several processes hold.
using KinOf = std::function<os::Kin(Pid)>;

/// Fills owner and others of the row; names are left for later. `descriptors` are those of this socket, by process.
///
/// The owner is who used the socket last, if it still has it. Else whoever did not merely keep it: not an init that
/// hands listeners to services; of a parent and a child with the same program the child (a server forks one for each
/// connection and forgets to close its own copy), and of several such children the first, because the later ones
/// inherited it; of a parent and a child with another program the parent (the child inherited what was not
/// close-on-exec). A listener belongs to the eldest: its workers share it.
void name_holders(SocketRow& row, std::span<const os::Descriptor> descriptors, const KinOf& kin_of);

}  // namespace tcpadvisor::collect
