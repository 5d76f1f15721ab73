// SPDX-License-Identifier: Apache-2.0
// What recorder and reader agree on: docs/recordings.md.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tcpadvisor::store {

inline constexpr std::uint32_t kApplicationId = 0x54435041;  ///< "TCPA", in the header of the SQLite file
inline constexpr int kBusyMs = 5'000;                        ///< so long a reader or the writer waits for the other
inline constexpr std::uint32_t kVersion = 1;  ///< user_version: raised when an older program could not read it

/// `data` of tick: one packed sample (pack.h) of the chain that begins with the chain's first tick.
inline constexpr std::array<std::string_view, 3> kSchema = {
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE chain (number INTEGER PRIMARY KEY, level INTEGER NOT NULL, dropped INTEGER NOT NULL)",
    "CREATE TABLE tick (number INTEGER PRIMARY KEY, chain INTEGER NOT NULL, mono_ms INTEGER NOT NULL, wall_ms INTEGER "
    "NOT NULL, data BLOB NOT NULL)"};

}  // namespace tcpadvisor::store
