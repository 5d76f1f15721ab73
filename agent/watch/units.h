// SPDX-License-Identifier: Apache-2.0
// Numbers as the narrow columns of the screen show them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "advisor/evidence/window.h"

namespace tcpadvisor::watch {

/// Exact with commas below a million, "2.1 MiB" above.
std::string queue_text(std::uint64_t bytes);
/// At most seven columns: "12m 30s", "4.2 s".
std::string age_text(std::uint64_t ms);
/// ">4.2 s" when it is only a lower bound; "-" when nothing is known yet.
std::string age_text(const Age& age);
/// "+2.3/s", "-120/s", "+4k/s", empty for no change. At most six columns.
std::string change_text(double per_second);
/// Bytes per second without the "/s": "0 B", "1.2 MiB", "1023 KiB". At most eight columns; "-" when not known.
std::string rate_text(std::optional<double> bytes_per_second);
/// "-" when there is no value.
std::string count_or_dash(std::optional<std::uint64_t> value);

}  // namespace tcpadvisor::watch
