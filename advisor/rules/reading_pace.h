// SPDX-License-Identifier: Apache-2.0
// A program that takes as much every second limits itself (a download with a rate limit, a player): it reads too slowly
// for its sender, and means to.
#pragma once

#include "advisor/evidence/series.h"

namespace tcpadvisor {

/// `taken` are the bytes that it has read up to each look. False where there are too few looks to tell.
bool reads_at_a_steady_pace(const Series& taken);

}  // namespace tcpadvisor
