// SPDX-License-Identifier: Apache-2.0
// Numbers with units, to and from text. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "advisor/base/result.h"

namespace tcpadvisor {

/// 130944 -> "130,944"
std::string with_commas(std::uint64_t value);
/// Binary units, at most one decimal: 131072 -> "128 KiB", 900 -> "900 B".
std::string human_bytes(std::uint64_t bytes);
/// Two largest units at most: 70s -> "1m 10s", 4 ms -> "4 ms", 0 -> "0 s".
std::string human_duration(std::chrono::milliseconds duration);
/// "500ms", "8s", "10m", "1h" (a bare number is an error: units are required). Range: > 0, at most 365 days.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// "64K", "64KiB" (both 65536), "2M", "1GiB", or plain bytes "4096".
Result<std::uint64_t> parse_size(std::string_view text);
/// The whole text as a decimal number without sign; anything else is an error that quotes the text.
Result<std::uint64_t> parse_u64(std::string_view text);
/// Control characters, characters that turn or hide other text, and invalid UTF-8 (a process may call itself anything)
/// become '?'.
std::string printable(std::string_view text);
/// FNV-1a, 64 bit: the same text gives the same number in every version and on every machine.
std::uint64_t stable_hash(std::string_view text);
/// 16 lower-case hex digits.
std::string hex64(std::uint64_t value);

}  // namespace tcpadvisor
