// SPDX-License-Identifier: Apache-2.0
// --listen: an address as text, and a socket that listens there.
#pragma once

#include <string>
#include <string_view>

#include "advisor/base/result.h"
#include "advisor/evidence/address.h"
#include "agent/os/unique_fd.h"

namespace tcpadvisor::serve {

/// "127.0.0.1:9477", "[::1]:9477"; port 0: one that is free. bad_input with what would be right; who may listen beyond
/// loopback is check_access()'s matter.
Result<Endpoint> parse_listen(std::string_view text);

/// It does not block, and 1,024 may wait for accept(): evhttp's own socket has a backlog of 128, which many scrapers at
/// once overflow.
Result<os::UniqueFd> listen_on(const Endpoint& at);
/// Where it listens, with the port that it got.
Endpoint place_of(const os::UniqueFd& listening);

}  // namespace tcpadvisor::serve
