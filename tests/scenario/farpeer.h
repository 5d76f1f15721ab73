// SPDX-License-Identifier: Apache-2.0
// A peer far away that accepts every connection, acknowledges everything and never closes: a few packets made in user
// space behind a TUN device. No socket of it exists on this host, so nothing here can be blamed for what it does.
#pragma once

#include "tests/scenario/actor.h"

namespace tcpfault {

inline constexpr const char* kFarPeerAddress = "10.78.0.2";

enum class FarPeer {
  takes_all,
  does_not_read,  ///< its window is closed from the first segment on; it answers probes
};

/// Starts it in the network namespace `netns_fd`; returns when it answers. Throws Skip if there is no /dev/net/tun.
Actor start_far_peer(Stage& stage, int netns_fd, FarPeer kind = FarPeer::takes_all);

}  // namespace tcpfault
