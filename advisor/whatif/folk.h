// SPDX-License-Identifier: Apache-2.0
// What is advised from page to page and does nothing. Pure.
#pragma once

#include <string_view>

namespace tcpadvisor::whatif {

/// Of a name that is no sysctl of TCP: why it would not help. Empty: nobody advises it.
std::string_view why_no_sysctl(std::string_view name);
/// Of a sysctl that no kernel uses any more, by full name; empty: it is used.
std::string_view why_dead(std::string_view knob);

}  // namespace tcpadvisor::whatif
