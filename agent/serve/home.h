// SPDX-License-Identifier: Apache-2.0
// The page at /: what is wrong, and where the rest is, for readers without scripts too. live.js takes it from there.
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/observe/observation.h"

namespace tcpadvisor::serve {

std::string home_page(const observe::Observation& seen, std::string_view version);

}  // namespace tcpadvisor::serve
