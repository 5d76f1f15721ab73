// SPDX-License-Identifier: Apache-2.0
// The include table of the house (README, "The house") as data, and the check of one file against it. Pure text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpadvisor::contract {

/// The room of a path below the repository: "agent/os" for "agent/os/clock.h", "bpf" for "bpf/abi.h"; the folder for
/// others.
std::string room_of(std::string_view path);

/// One line "FILE:LINE: …" for each #include of `text` that the table forbids for a file at `path`.
std::vector<std::string> forbidden_includes(std::string_view path, std::string_view text);

}  // namespace tcpadvisor::contract
