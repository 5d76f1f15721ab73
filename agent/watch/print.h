// SPDX-License-Identifier: Apache-2.0
// One observation as text or JSON on stdout. For the two loops of this room.
#pragma once

#include "agent/watch/live.h"
#include "agent/watch/view.h"

namespace tcpadvisor::watch {

View first_view(const LiveOptions& options);
/// Ends early, without an error, when one of `signals` comes.
Status print(const Picture& picture, const LiveOptions& options, os::StopSignals& signals);

}  // namespace tcpadvisor::watch
